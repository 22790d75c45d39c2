// Runs a program and makes one system call of it, or of a process that came of it, fail; or kills at that call. ptrace(2).
//
//    inject REPORT SECONDS ATTACH PROCESS CALL FAULT PROGRAM [WORDS]
//
//    REPORT            a file for what happened
//    SECONDS           how long the program may take; then all is killed
//    ATTACH            the id of a process to take in as number 1, or 0
//    PROCESS CALL      which call: processes are numbered as they come to be, the program is 0; calls count from its exec on
//    FAULT             list     no fault; every call is reported
//                      N        the call is not made and fails with errno N (a close is made: Linux closes even then)
//                      kill     the program gets SIGKILL before the call, whosever it is
//                      end      the process whose call it is gets it: as if for want of memory
//
// The report's lines: `call PROCESS CALL NUMBER ARGUMENTS`, of the list or of the one that was hit; `exit STATUS`,
// `signal NUMBER` or `hang` as the program's end; `left PID` for each process that was there a while after an end that was
// not success, but not for the one taken in. What executes something that is neither the program nor an agent's sealed memfd (a hook, a container's
// program) is let go, and only looked for at the end.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096
#define GRACE_MS 3000
#define CLOSE 3
#define BRK 12
#define EXIT_GROUP 231
#define ADDRESS(number) ((void *)(long)(number))

/// A process, in the order of its coming.
struct process {
  pid_t pid;
  long calls;
  unsigned long long number, argument; // of the call that fails
  bool gone, freed, failing, begun, attached;
};

static struct process processes[MOST];
static int count;
static FILE *report;
static volatile sig_atomic_t late;
static long at_process, at_call;
static const char *fault;
static bool hit;

static void on_alarm(int signal) {
  (void)signal;
  late = 1;
  alarm(1); // the first may come just before a wait begins
}

static struct process *process_of(pid_t pid) {
  for (int i = count - 1; i >= 0; i--)
    if (processes[i].pid == pid && !processes[i].gone) return &processes[i];
  if (count == MOST) exit(125);
  processes[count] = (struct process){.pid = pid};
  return &processes[count++];
}

/// Writes a string of the process's, where the word points to one.
static void show(pid_t pid, unsigned long word) {
  char text[96] = {0};
  struct iovec here = {text, sizeof text - 1}, there = {ADDRESS(word), sizeof text - 1};
  // Not across the end of a page: the next may not be there.
  if (there.iov_len > 4096 - word % 4096) there.iov_len = 4096 - word % 4096;
  fprintf(report, " %lx", word);
  if (word < 65536 || process_vm_readv(pid, &here, 1, &there, 1, 0) < 4) return;
  for (char *c = text; *c; c++)
    if (*c < 32 || *c > 126) return;
  if (strlen(text) > 3) fprintf(report, "\"%s\"", text);
}

static void tell(struct process *p, const struct __ptrace_syscall_info *info) {
  fprintf(report, "call %ld %ld %lld", (long)(p - processes), p->calls, (long long)info->entry.nr);
  for (int i = 0; i < 4; i++) show(p->pid, info->entry.args[i]);
  fputc('\n', report);
}

/// Sees to it that the call that begins does nothing.
static void spoil(struct process *p) {
  struct user_regs_struct registers;
  ptrace(PTRACE_GETREGS, p->pid, 0, &registers);
  p->number = registers.orig_rax, p->argument = registers.rdi;
  if (p->number == BRK) registers.rdi = 0; // it knows no errno, and answers with the break as it is
  else if (p->number != CLOSE) registers.orig_rax = -1;
  ptrace(PTRACE_SETREGS, p->pid, 0, &registers);
}

/// What the process sees of a call that was spoilt.
static void set_result(struct process *p, long result) {
  struct user_regs_struct registers;
  ptrace(PTRACE_GETREGS, p->pid, 0, &registers);
  if (p->number == BRK) registers.rdi = p->argument;
  else registers.rax = result;
  ptrace(PTRACE_SETREGS, p->pid, 0, &registers);
}

static void on_call(struct process *p) {
  struct __ptrace_syscall_info info = {0};
  ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, sizeof info, &info);
  if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
    if (p->failing) set_result(p, -atol(fault));
    p->failing = false;
  }
  if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return;
  bool listing = strcmp(fault, "list") == 0;
  bool here = p - processes == at_process && p->calls == at_call;
  if (listing || here) tell(p, &info);
  bool returns = info.entry.nr != EXIT_GROUP; // or it cannot fail
  if (here && !listing && (returns || atol(fault) == 0)) {
    hit = true;
    if (strcmp(fault, "kill") == 0) kill(processes[0].pid, SIGKILL);
    else if (strcmp(fault, "end") == 0) kill(p->pid, SIGKILL);
    else spoil(p), p->failing = true;
  }
  p->calls++;
}

/// Whether it is still tsrun's business what the process does.
static bool is_ours(struct process *p) {
  char link[64], target[64] = {0};
  snprintf(link, sizeof link, "/proc/%d/exe", p->pid);
  if (readlink(link, target, sizeof target - 1) < 0) return true;
  return p == processes || strncmp(target, "/memfd:tsrun-agent", 18) == 0;
}

/// Lets a stopped process go on; `status` says why it stopped.
static void go_on(struct process *p, int status) {
  int signal = WSTOPSIG(status), event = status >> 16, give = 0;
  unsigned long child;
  if (signal == (SIGTRAP | 0x80)) on_call(p);
  else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
    if (ptrace(PTRACE_GETEVENTMSG, p->pid, 0, &child) == 0) process_of(child);
  } else if (event == PTRACE_EVENT_EXEC) {
    if (p == processes && !p->begun) p->calls = 0, p->begun = true;
    if (!is_ours(p)) {
      p->freed = true;
      ptrace(PTRACE_DETACH, p->pid, 0, 0);
      return;
    }
  } else if (event == 0) give = signal;
  ptrace(PTRACE_SYSCALL, p->pid, 0, ADDRESS(give));
}

/// Whether a process is there and has not ended.
static bool lives(pid_t pid) {
  char path[64], text[512] = {0};
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY);
  if (fd < 0) return false;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  char *end = length > 0 ? strrchr(text, ')') : NULL;
  return end && !strchr("ZXx", end[2]);
}

static bool any_left(void) {
  bool any = false;
  for (int i = 1; i < count; i++) {
    // Asked of all: of one that ended before its parent's stop was seen we are not told again.
    if (!processes[i].gone) processes[i].gone = !lives(processes[i].pid);
    any = any || !(processes[i].gone || processes[i].attached);
  }
  return any;
}

static long now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/// After the end of a program that failed or was killed: what it left has a while to end.
static void settle(void) {
  for (long end = now_ms() + GRACE_MS; any_left() && now_ms() < end;) {
    int status;
    pid_t pid = waitpid(-1, &status, __WALL | WNOHANG);
    if (pid <= 0) usleep(200);
    else if (WIFSTOPPED(status)) go_on(process_of(pid), status);
    else process_of(pid)->gone = true;
  }
  for (int i = 1; i < count; i++)
    if (!processes[i].gone && !processes[i].attached) fprintf(report, "left %d\n", processes[i].pid);
}

static void kill_all(void) {
  for (int i = 0; i < count; i++)
    if (!processes[i].gone && (!processes[i].freed || lives(processes[i].pid))) kill(processes[i].pid, SIGKILL);
}

/// Until the program has ended; its status, or -1 where it hangs.
static int follow(void) {
  for (;;) {
    int status;
    pid_t pid = late ? -1 : waitpid(-1, &status, __WALL);
    if (pid < 0 && (late || errno != EINTR)) return -1;
    if (pid < 0) continue;
    struct process *p = process_of(pid);
    if (WIFSTOPPED(status)) {
      go_on(p, status);
      continue;
    }
    p->gone = true;
    if (p == processes) return status;
  }
}

static pid_t start(char **words, long options) {
  int gate[2];
  if (pipe2(gate, O_CLOEXEC)) exit(125);
  pid_t pid = fork();
  if (pid == 0) {
    char byte;
    close(gate[1]);
    if (read(gate[0], &byte, 1) != 1) _exit(125);
    execv(words[0], words);
    _exit(127);
  }
  process_of(pid);
  if (ptrace(PTRACE_SEIZE, pid, 0, ADDRESS(options))) exit(125);
  if (write(gate[1], "", 1) != 1) exit(125);
  close(gate[0]);
  close(gate[1]);
  return pid;
}

int main(int words, char **word) {
  if (words < 8) return 125;
  report = fopen(word[1], "we");
  if (!report) return 125;
  pid_t attach = atoi(word[3]);
  at_process = atol(word[4]), at_call = atol(word[5]), fault = word[6];
  long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
  sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
  alarm(atoi(word[2]));
  start(&word[7], options);
  if (attach) {
    process_of(attach)->attached = true;
    if (ptrace(PTRACE_SEIZE, attach, 0, ADDRESS(options)) || ptrace(PTRACE_INTERRUPT, attach, 0, 0)) return 125;
  }
  int status = follow();
  alarm(0);
  if (strcmp(fault, "list") != 0) fprintf(report, hit ? "hit\n" : "missed\n");
  if (status < 0) fprintf(report, "hang\n"), kill_all();
  else if (WIFSIGNALED(status)) fprintf(report, "signal %d\n", WTERMSIG(status));
  else fprintf(report, "exit %d\n", WEXITSTATUS(status));
  if (status != 0) settle();
  return fclose(report) ? 125 : 0;
}
