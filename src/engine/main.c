// The program around the JavaScript: QuickJS, the few functions that reach out of it (functions.c), and a heap that starts
// where the build left it (heap.c).
//
// Whatever a command of tsrun needs before its first line (the engine's own objects, our code compiled, every module's
// tables) is the same each time. So the build makes it once, in a heap at a fixed address, and writes that heap into the
// executable as one more segment, which the kernel maps like any other data: a start parses nothing and runs nothing, and
// of the image only the pages that are touched are ever read. scripts/engine.ts runs this program without an image, as
// `program SCRIPT IMAGE`, to get one. With words of a sample behind it the image also says which pages such a start writes to.
//
// For that to hold, no address in the heap may differ from start to start: the executable is not position independent, the
// C library's own memory is not in the heap, and an image that points into a shared library is refused. What differs
// (arguments, environment, time) is asked for when it is wanted, see prelude.ts.

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "functions.h"
#include "heap.h"
#include "quickjs.h"

#define SCRIPT_MAX ((size_t)8 << 20)
#define STACK ((size_t)4 << 20) // deeper recursion throws

/// Tells of an exception that nothing caught: an error in tsrun, or no memory.
static int fail(JSContext *context) {
  JSValue error = JS_GetException(context);
  JSValue stack = JS_GetPropertyStr(context, error, "stack");
  const char *message = JS_ToCString(context, error);
  const char *where = JS_ToCString(context, stack);
  fprintf(stderr, "tsrun: internal error: %s\n%s", message ? message : "no memory", where ? where : "");
  return 1;
}

/// Calls the script's `main`, which answers with the status to end with.
static int run(JSContext *context) {
  JSRuntime *runtime = JS_GetRuntime(context);
  JS_UpdateStackTop(runtime);
  struct rlimit stack;
  if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur / 2 < STACK) JS_SetMaxStackSize(runtime, stack.rlim_cur / 2);
  JSValue global = JS_GetGlobalObject(context);
  JSValue main = JS_GetPropertyStr(context, global, "main");
  JSValue result = JS_Call(context, main, global, 0, NULL);
  int status;
  if (JS_IsException(result) || JS_ToInt32(context, &status, result)) return fail(context);
  return status;
}

/// The contents of a file, as QuickJS wants them: with a NUL behind. NULL when it cannot be read.
static char *contents(const char *path, size_t *length) {
  FILE *file = fopen(path, "re");
  if (!file) return NULL;
  char *text = calloc(1, SCRIPT_MAX);
  *length = text ? fread(text, 1, SCRIPT_MAX - 1, file) : 0;
  bool whole = feof(file) && !ferror(file);
  fclose(file);
  return whole ? text : NULL;
}

/// The script compiled, in another heap: what the compiler leaves behind would lie between what is used later.
static uint8_t *compile(const char *script, size_t length, size_t *size) {
  JSRuntime *runtime = JS_NewRuntime();
  JSContext *context = runtime ? JS_NewContext(runtime) : NULL;
  if (!context) return NULL;
  JS_SetStripInfo(runtime, JS_STRIP_SOURCE);
  JSValue code = JS_Eval(context, script, length, "tsrun.js", JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY);
  if (JS_IsException(code)) return fail(context), NULL;
  return JS_WriteObject(context, size, code, JS_WRITE_OBJ_BYTECODE);
}

/// Math's functions are libm's. That their addresses are taken by code that cannot move makes the linker give them one in this
/// program, which is the same at every start.
__attribute__((unused)) static void keep_math_here(void) {
  double (*functions[])(double) = {fabs, floor, ceil,  sqrt,  acos, asin, atan, cos,  exp,   log,   sin,  tan,
                                   trunc, cosh, sinh, tanh, acosh, asinh, atanh, expm1, log1p, log2, log10, cbrt};
  double (*of_two[])(double, double) = {atan2, pow, fmod};
  __asm__ volatile("" : : "r"(functions), "r"(of_two) : "memory");
}

/// Loads the script into the heap and runs it; the function `main` that it makes is for run(). NULL when that fails.
static JSContext *load(const uint8_t *compiled, size_t size) {
#ifndef MATH_ELSEWHERE // for a test: such an image must be refused
  keep_math_here();
#endif
  JSRuntime *runtime = JS_NewRuntime2(&HEAP_FUNCTIONS, NULL);
  JSContext *context = runtime ? JS_NewContext(runtime) : NULL;
  uint8_t *code = context ? js_malloc(context, size) : NULL; // for good: functions run where they lie in it
  if (!code) return NULL;
  memcpy(code, compiled, size);
  JS_SetMaxStackSize(runtime, STACK);
  functions_define(context);
  JSValue script = JS_ReadObject(context, code, size, JS_READ_OBJ_BYTECODE | JS_READ_OBJ_ROM_DATA);
  JSValue result = JS_IsException(script) ? script : JS_EvalFunction(context, script);
  if (JS_IsException(result)) return fail(context), NULL;
  JS_FreeValue(context, result);
  JS_RunGC(runtime);
  JS_SetGCThreshold(runtime, (size_t)64 << 20); // no command but those that wait gets there
  return context;
}

static JSContext *made;

static void sample(void) { run(made); }

static int make_image(const char *script, const char *image, char **words) {
  if (!heap_begin()) return fprintf(stderr, "the heap's place is taken\n"), 1;
  size_t length, size;
  const char *text = contents(script, &length);
  if (!text) return perror(script), 1;
  const uint8_t *compiled = compile(text, length, &size);
  made = compiled ? load(compiled, size) : NULL;
  if (!made) return 1;
  if (words[0]) {
    functions_arguments(words);
    heap_learn(sample);
  }
  return heap_write_image(made, image) ? 0 : 1;
}

/// What every engine of JavaScript does, and our code takes for granted. The agent undoes it for the container's programs.
static void settle_in(void) {
  // A closed one of these numbers would be given to the next file that is opened, and that would be written to.
  for (int fd = 0; fd <= 2; fd++) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", O_RDWR);
  }
  // A write that cannot be done is an error to be told, and no death without a word.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

int main(int count, char **values) {
  JSContext *context = heap_context();
  if (context) {
    settle_in();
    functions_arguments(values);
    _exit(run(context)); // nothing is buffered, and nobody waits for the C library's goodbyes
  }
  if (count < 3) return fprintf(stderr, "usage: %s SCRIPT IMAGE [WORDS OF A SAMPLE]\n", values[0]), 2;
  return make_image(values[1], values[2], &values[3]);
}
