// The heap, see heap.h: blocks in lists by size, cut off the end of what is mapped. Nothing is ever given back to the kernel:
// a command lives for milliseconds, and `run`, which waits, keeps to the size it reached.

#include "heap.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEAP ((uintptr_t)&start)
#define BLOCK_MAX ((size_t)1 << 30)
#define GROWTH ((size_t)256 << 10)
#define BUILD_MAX ((size_t)64 << 20)
#define RUNS 128
#define HEAD sizeof(size_t) // a block's whole size stands before it
#define UNIT 16
#define SMALL 1024 // up to here a list for each multiple of UNIT; from there on four for each power of two
#define LISTS (SMALL / UNIT + 4 * 32)

// The largest page that kernels are set up with.
#if defined(__aarch64__)
#define PAGE ((size_t)0x10000)
#else
#define PAGE ((size_t)0x1000)
#endif

// The linker puts it where the heap shall be, and makes a segment of it; the build replaces that segment's contents.
__attribute__((section(".heap"), aligned(PAGE), used)) static union {
  struct {
    uintptr_t next;   // of what was never used; HEAD less than a multiple of UNIT, which blocks begin at behind their size
    uintptr_t mapped; // the end of what can be used
    void *lists[LISTS];
    JSContext *context;
    unsigned runs; // of hot[]
    struct run {
      uint16_t first, count;
    } hot[RUNS]; // pages of the image that every start writes to: learn()
  };
  char page[PAGE];
} start;

/// The list for blocks of a size, and in *size the size that all of its blocks have.
static unsigned list_of(size_t *size) {
  size_t whole = (*size + UNIT - 1) & ~(size_t)(UNIT - 1);
  if (whole <= SMALL) {
    *size = whole;
    return whole / UNIT - 1;
  }
  unsigned power = 63 - __builtin_clzl(whole - 1); // 2^power < whole <= 2^(power+1)
  size_t quarter = (size_t)1 << (power - 2);
  size_t step = (whole - ((size_t)1 << power) + quarter - 1) / quarter; // 1 to 4
  *size = ((size_t)1 << power) + step * quarter;
  return SMALL / UNIT + 4 * (power - 10) + step - 1;
}

/// Makes room for `size` bytes at start.next, anywhere; but the build's heap must be in one piece, and has all it may get.
static bool grow(size_t size) {
  if (!start.context) return false;
  size = (size + GROWTH - 1) & ~(GROWTH - 1);
  // Populated, because nearly all of it is about to be written: a fault for each page takes the kernel twice as long.
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
  void *got = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (got == MAP_FAILED) return false;
  start.next = (uintptr_t)got + UNIT - HEAD;
  start.mapped = (uintptr_t)got + size;
  return true;
}

static size_t usable(const void *block) { return block ? ((size_t *)block)[-1] - HEAD : 0; }

static void *allocate(JSMallocState *state, size_t size) {
  if (size == 0 || size > BLOCK_MAX) return NULL;
  size += HEAD;
  unsigned list = list_of(&size);
  void *block = start.lists[list];
  if (block) {
    start.lists[list] = *(void **)block;
  } else {
    if (start.next + size > start.mapped && !grow(size + UNIT)) return NULL;
    *(size_t *)start.next = size;
    block = (void *)(start.next + HEAD);
    start.next += size;
  }
  state->malloc_count++;
  state->malloc_size += size;
  return block;
}

static void release(JSMallocState *state, void *block) {
  if (!block) return;
  size_t size = ((size_t *)block)[-1];
  state->malloc_count--;
  state->malloc_size -= size;
  unsigned list = list_of(&size);
  *(void **)block = start.lists[list];
  start.lists[list] = block;
}

static void *resize(JSMallocState *state, void *block, size_t size) {
  if (!block) return allocate(state, size);
  if (size == 0) {
    release(state, block);
    return NULL;
  }
  size_t had = usable(block);
  if (size <= had) return block;
  void *larger = allocate(state, size);
  if (!larger) return NULL;
  memcpy(larger, block, had);
  release(state, block);
  return larger;
}

const JSMallocFunctions HEAP_FUNCTIONS = {allocate, release, resize, usable};

JSContext *heap_context(void) {
  for (unsigned i = 0; i < start.runs; i++) {
    madvise((char *)&start + start.hot[i].first * PAGE, start.hot[i].count * PAGE, MADV_POPULATE_WRITE);
  }
  return start.context;
}

bool heap_begin(void) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  void *got = mmap(&start + 1, BUILD_MAX, PROT_READ | PROT_WRITE, flags, -1, 0);
  start.next = HEAP + sizeof start + UNIT - HEAD;
  start.mapped = HEAP + sizeof start + BUILD_MAX;
  return got == &start + 1;
}

/// Where this program begins; what is not in it is in a shared library.
static void *own_base(void) {
  Dl_info own;
  return dladdr((void *)heap_begin, &own) ? own.dli_fbase : NULL;
}

/// Tells whether a word of the heap is an address in a shared library, which stands elsewhere at the next start.
static bool points_out(size_t size) {
  void *own = own_base();
  Dl_info found;
  for (uintptr_t at = HEAP; at < HEAP + size; at += sizeof(void *)) {
    if (dladdr(*(void **)at, &found) && found.dli_fbase != own) {
      fprintf(stderr, "the image would point to %s of %s\n", found.dli_sname ? found.dli_sname : "?", found.dli_fname);
      return true;
    }
  }
  return false;
}

static size_t image_size(void) { return (start.next - HEAP + PAGE - 1) & ~(PAGE - 1); }

// What learn() shares with its child: whether a page was written to.
static bool *written;

/// A write to a page that was not written to before.
static void note(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  size_t page = ((uintptr_t)info->si_addr - HEAP) / PAGE;
  if ((uintptr_t)info->si_addr < HEAP || page >= BUILD_MAX / PAGE || written[page]) abort();
  written[page] = true;
  mprotect((char *)&start + page * PAGE, PAGE, PROT_READ | PROT_WRITE);
}

/// In a child: has a sample run in a heap that cannot be written to.
static void run_watched(void (*sample)(void)) {
  for (int fd = 0; fd <= 2; fd++) dup2(open("/dev/null", O_RDWR), fd);
  struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, NULL);
  mprotect(&start, image_size(), PROT_READ);
  sample();
  _exit(0);
}

void heap_learn(void (*sample)(void)) {
  size_t pages = image_size() / PAGE;
  written = mmap(NULL, BUILD_MAX / PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (written == MAP_FAILED) return;
  pid_t child = fork();
  if (child == 0) run_watched(sample);
  waitpid(child, NULL, 0);
  for (size_t page = 0; page < pages && start.runs < RUNS; page++) {
    if (!written[page]) continue;
    size_t first = page;
    while (page + 1 < pages && (written[page + 1] || (page + 2 < pages && written[page + 2]))) page++;
    start.hot[start.runs++] = (struct run){first, page + 1 - first};
  }
}

bool heap_write_image(JSContext *context, const char *file) {
  size_t size = image_size();
  if (points_out(size)) return false;
  start.context = context;
  start.mapped = HEAP + size;
  FILE *image = fopen(file, "we");
  bool whole = image && fwrite((void *)HEAP, 1, size, image) == size;
  if (image && fclose(image)) whole = false;
  if (!whole) perror(file);
  return whole;
}
