// The functions that JavaScript gets, as properties of the global object `engine`; engine.ts says what they are.

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "functions.h"

extern char **environ;

static char **arguments;

void functions_arguments(char **values) { arguments = values; }

/// Refuses what a heap's image must not hold, while that is made: what the system says now it may not say at the next start.
static bool started(JSContext *context) {
  if (!arguments) JS_ThrowTypeError(context, "nothing may be asked of the system while the program is loaded");
  return arguments;
}

/// The address of a typed array's bytes and their number. NULL with an exception pending when it is none.
static uint8_t *bytes_of(JSContext *context, JSValueConst value, size_t *length) {
  size_t offset, unit, whole;
  JSValue buffer = JS_GetTypedArrayBuffer(context, value, &offset, length, &unit);
  if (JS_IsException(buffer)) return NULL;
  uint8_t *bytes = JS_GetArrayBuffer(context, &whole, buffer);
  JS_FreeValue(context, buffer);
  return bytes ? bytes + offset : NULL;
}

/// U+FFFD for lone surrogates, which QuickJS encodes as they are: both have three bytes.
static void replace_surrogates(uint8_t *bytes, size_t length) {
  for (size_t i = 0; i + 2 < length; i++) {
    if (bytes[i] == 0xed && bytes[i + 1] >= 0xa0) memcpy(&bytes[i], "\xef\xbf\xbd", 3);
  }
}

#define WORDS 13

/// Strings that words point to, until they are given back.
struct strings {
  int count;
  const char *held[WORDS];
};

static void give_back(JSContext *context, struct strings *strings) {
  while (strings->count > 0) JS_FreeCString(context, strings->held[--strings->count]);
}

/// The address of a string with a NUL behind it, and none in it: that would cut it short.
static const char *c_string(JSContext *context, JSValueConst value, struct strings *strings) {
  size_t length;
  const char *text = JS_ToCStringLen(context, &length, value);
  if (!text) return NULL;
  strings->held[strings->count++] = text;
  if (strlen(text) != length) return JS_ThrowRangeError(context, "a NUL byte would cut it short: %s", text), NULL;
  replace_surrogates((uint8_t *)text, length);
  return text;
}

/// An argument as the 64 bits that the kernel or a C function gets: an integer, or the address of bytes or of a string. Of
/// no bytes it is NULL.
static bool word(JSContext *context, JSValueConst value, long *word, struct strings *strings) {
  int tag = JS_VALUE_GET_NORM_TAG(value);
  if (tag == JS_TAG_INT) {
    *word = JS_VALUE_GET_INT(value);
  } else if (JS_TAG_IS_FLOAT64(tag)) {
    *word = (long)JS_VALUE_GET_FLOAT64(value);
  } else if (JS_IsBigInt(context, value)) {
    int64_t integer;
    if (JS_ToBigInt64(context, &integer, value)) return false;
    *word = integer;
  } else if (JS_IsString(value)) {
    *word = (long)c_string(context, value, strings);
    return *word != 0;
  } else {
    size_t length;
    *word = (long)bytes_of(context, value, &length);
    return *word != 0 || length == 0;
  }
  return true;
}

/// All arguments. False, and no string is held, when one of them is none.
static bool words(JSContext *context, int count, JSValueConst *values, long *out, struct strings *strings) {
  if (count > WORDS) {
    JS_ThrowRangeError(context, "more words than a function takes: %d", count);
    return false;
  }
  for (int i = 0; i < count; i++) {
    if (word(context, values[i], &out[i], strings)) continue;
    give_back(context, strings);
    return false;
  }
  return true;
}

/// syscall(nr, ...words): the result, or -errno. syscall(2).
static JSValue host_syscall(JSContext *context, JSValueConst this, int count, JSValueConst *values) {
  long w[WORDS] = {0};
  struct strings strings = {0};
  if (!started(context) || !words(context, count, values, w, &strings)) return JS_EXCEPTION;
  long result = syscall(w[0], w[1], w[2], w[3], w[4], w[5], w[6]);
  if (result == -1) result = -errno;
  give_back(context, &strings);
  return JS_NewInt64(context, result);
}

/// open(file): the handle of a shared library. dlopen(3).
static JSValue host_open(JSContext *context, JSValueConst this, int count, JSValueConst *values) {
  const char *file = started(context) ? JS_ToCString(context, values[0]) : NULL;
  if (!file) return JS_EXCEPTION;
  void *handle = dlopen(file, RTLD_NOW);
  JS_FreeCString(context, file);
  return handle ? JS_NewInt64(context, (intptr_t)handle) : JS_ThrowReferenceError(context, "%s", dlerror());
}

/// symbol(handle, name): its address. dlsym(3).
static JSValue host_symbol(JSContext *context, JSValueConst this, int count, JSValueConst *values) {
  int64_t handle;
  if (JS_ToInt64(context, &handle, values[0])) return JS_EXCEPTION;
  const char *name = JS_ToCString(context, values[1]);
  if (!name) return JS_EXCEPTION;
  void *address = dlsym((void *)handle, name);
  JS_FreeCString(context, name);
  return address ? JS_NewInt64(context, (intptr_t)address) : JS_ThrowReferenceError(context, "%s", dlerror());
}

/// call(address, ...words): what the C function there returns.
static JSValue host_call(JSContext *context, JSValueConst this, int count, JSValueConst *values) {
  long w[WORDS] = {0};
  struct strings strings = {0};
  if (!words(context, count, values, w, &strings)) return JS_EXCEPTION;
  typedef long function(long, long, long, long, long, long, long, long, long, long, long, long);
  long result = ((function *)w[0])(w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10], w[11], w[12]);
  give_back(context, &strings);
  return JS_NewInt64(context, result);
}

/// address(bytes): where they are, for as long as they can be reached.
static JSValue host_address(JSContext *context, JSValueConst this, int count, JSValueConst *values) {
  size_t length;
  uint8_t *bytes = bytes_of(context, values[0], &length);
  return bytes ? JS_NewInt64(context, (intptr_t)bytes) : JS_EXCEPTION;
}

/// encode(string): an ArrayBuffer of UTF-8.
static JSValue host_encode(JSContext *context, JSValueConst this, int count, JSValueConst *values) {
  size_t length;
  const char *text = JS_ToCStringLen(context, &length, values[0]);
  if (!text) return JS_EXCEPTION;
  JSValue buffer = JS_NewArrayBufferCopy(context, (const uint8_t *)text, length);
  JS_FreeCString(context, text);
  if (JS_IsException(buffer)) return buffer;
  replace_surrogates(JS_GetArrayBuffer(context, &length, buffer), length);
  return buffer;
}

/// encodeInto(string, bytes, offset): UTF-8 there, if all of it fits. How many bytes it has.
static JSValue host_encode_into(JSContext *context, JSValueConst this, int count, JSValueConst *values) {
  size_t length, room;
  uint32_t offset;
  uint8_t *bytes = bytes_of(context, values[1], &room);
  if (!bytes || JS_ToUint32(context, &offset, values[2])) return JS_EXCEPTION;
  const char *text = JS_ToCStringLen(context, &length, values[0]);
  if (!text) return JS_EXCEPTION;
  if (offset <= room && length <= room - offset) {
    memcpy(&bytes[offset], text, length);
    replace_surrogates(&bytes[offset], length);
  }
  JS_FreeCString(context, text);
  return JS_NewInt64(context, length);
}

/// Where things are in a frame of an agent's message: wire.ts.
enum { FRAME_SIZE = 64, FRAME_FLAGS = 5, FRAME_ARGS = 8, FRAME_ARGS_MOST = 6 };

/// What JavaScript is to put into a frame: pairs of a place and a value.
struct rest {
  JSValueConst list;
  uint32_t length;
};

/// What putCalls is told and works on, and the names of the properties that it reads.
struct calls {
  JSContext *context;
  uint8_t *frames;
  JSValueConst numbers;
  int64_t results;
  struct rest strings, objects;
  JSAtom call, name, args, length, index;
};

static bool leave(JSContext *context, struct rest *rest, size_t place, JSValue value) {
  if (JS_SetPropertyUint32(context, rest->list, rest->length, JS_NewInt64(context, place)) < 0) return false;
  if (JS_SetPropertyUint32(context, rest->list, rest->length + 1, value) < 0) return false;
  rest->length += 2;
  return true;
}

/// An integer property; false with an exception pending when it is none.
static bool integer(JSContext *context, JSValueConst of, JSAtom name, int32_t *integer) {
  JSValue value = JS_GetProperty(context, of, name);
  bool is = JS_VALUE_GET_NORM_TAG(value) == JS_TAG_INT;
  if (is) *integer = JS_VALUE_GET_INT(value);
  else if (!JS_IsException(value)) JS_ThrowTypeError(context, "no integer");
  JS_FreeValue(context, value);
  return is;
}

/// Argument `i`, which is taken over, to the frame at `frame`: a number, or the address of an earlier result, with a flag.
static bool put_argument(struct calls *calls, JSValue value, size_t frame, int32_t i) {
  JSContext *context = calls->context;
  size_t place = frame + FRAME_ARGS + 8 * i;
  long number;
  if (JS_IsString(value)) return leave(context, &calls->strings, place, value);
  if (JS_IsObject(value)) {
    JSValue index = JS_GetProperty(context, value, calls->index);
    if (!JS_IsNumber(index)) return JS_FreeValue(context, index), leave(context, &calls->objects, place, value);
    JS_ToInt64(context, &number, index);
    number = calls->results + number * FRAME_SIZE;
    calls->frames[frame + FRAME_FLAGS] |= 1 << i;
  } else if (!word(context, value, &number, NULL)) {
    return false;
  }
  memcpy(&calls->frames[place], &number, sizeof number);
  JS_FreeValue(context, value);
  return true;
}

/// A call's number and arguments to the frame at `frame`.
static bool put_call(struct calls *calls, JSValueConst call, size_t frame) {
  JSContext *context = calls->context;
  JSValue name = JS_GetProperty(context, call, calls->name), args = JS_GetProperty(context, call, calls->args);
  JSAtom atom = JS_ValueToAtom(context, name);
  int32_t number, count;
  bool done = integer(context, calls->numbers, atom, &number) && integer(context, args, calls->length, &count);
  if (done && count > FRAME_ARGS_MOST) done = (JS_ThrowRangeError(context, "%d arguments", count), false);
  if (done) memcpy(&calls->frames[frame], &number, sizeof(uint16_t)); // of both architectures the lower half comes first
  for (int32_t i = 0; done && i < count; i++)
    done = put_argument(calls, JS_GetPropertyUint32(context, args, i), frame, i);
  JS_FreeAtom(context, atom);
  JS_FreeValue(context, name);
  JS_FreeValue(context, args);
  return done;
}

/// putCalls(steps, frames, numbers, results, strings, objects): the frames of calls, as engine.ts says.
static JSValue host_put_calls(JSContext *context, JSValueConst this, int count, JSValueConst *values) {
  struct calls calls = {.context = context, .numbers = values[2], .strings.list = values[4], .objects.list = values[5]};
  size_t room;
  calls.frames = bytes_of(context, values[1], &room);
  if ((!calls.frames && room > 0) || JS_ToInt64(context, &calls.results, values[3])) return JS_EXCEPTION;
  calls.call = JS_NewAtom(context, "call"), calls.name = JS_NewAtom(context, "name");
  calls.args = JS_NewAtom(context, "args"), calls.length = JS_NewAtom(context, "length");
  calls.index = JS_NewAtom(context, "index");
  bool done = true;
  for (size_t i = 0; done && (i + 1) * FRAME_SIZE <= room; i++) {
    JSValue step = JS_GetPropertyUint32(context, values[0], i);
    JSValue call = JS_GetProperty(context, step, calls.call);
    done = put_call(&calls, call, i * FRAME_SIZE);
    JS_FreeValue(context, call);
    JS_FreeValue(context, step);
  }
  for (const JSAtom *atom = &calls.call; atom <= &calls.index; atom++) JS_FreeAtom(context, *atom);
  return done ? JS_UNDEFINED : JS_EXCEPTION;
}

/// The bytes of the UTF-8 sequence that begins here, 1 to 4; or, negative, of what cannot be one: the longest beginning of
/// a sequence, at least 1 (Unicode 3.9, U+FFFD substitution of maximal subparts).
static int sequence(const uint8_t *at, size_t left) {
  uint8_t first = at[0];
  if (first < 0x80) return 1;
  int size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return -1;
  uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  for (int i = 1; i < size; i++) {
    if ((size_t)i >= left || at[i] < low || at[i] > high) return -i;
    low = 0x80;
    high = 0xbf;
  }
  return size;
}

/// decode(bytes, fatal): the string. What is no UTF-8 becomes U+FFFD; with `fatal`, undefined is returned.
static JSValue host_decode(JSContext *context, JSValueConst this, int count, JSValueConst *values) {
  size_t length;
  const uint8_t *bytes = bytes_of(context, values[0], &length);
  if (!bytes) return length == 0 ? JS_NewString(context, "") : JS_EXCEPTION;
  size_t wrong = 0;
  for (size_t i = 0; i < length;) {
    int size = sequence(&bytes[i], length - i);
    if (size < 0) wrong++;
    i += size < 0 ? -size : size;
  }
  if (wrong == 0) return JS_NewStringLen(context, (const char *)bytes, length);
  if (JS_ToBool(context, values[1])) return JS_UNDEFINED;
  char *text = js_malloc(context, length + 2 * wrong);
  if (!text) return JS_EXCEPTION;
  size_t end = 0;
  for (size_t i = 0; i < length;) {
    int size = sequence(&bytes[i], length - i);
    int taken = size < 0 ? -size : size;
    memcpy(&text[end], size < 0 ? (const uint8_t *)"\xef\xbf\xbd" : &bytes[i], size < 0 ? 3 : size);
    end += size < 0 ? 3 : size;
    i += taken;
  }
  JSValue string = JS_NewStringLen(context, text, end);
  js_free(context, text);
  return string;
}

/// now(): milliseconds of CLOCK_MONOTONIC. clock_gettime(2).
static JSValue host_now(JSContext *context, JSValueConst this, int count, JSValueConst *values) {
  if (!started(context)) return JS_EXCEPTION;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return JS_NewFloat64(context, now.tv_sec * 1e3 + now.tv_nsec / 1e6);
}

static JSValue strings(JSContext *context, char **list) {
  JSValue array = JS_NewArray(context);
  for (uint32_t i = 0; list[i]; i++) JS_SetPropertyUint32(context, array, i, JS_NewString(context, list[i]));
  return array;
}

static JSValue host_arguments(JSContext *context, JSValueConst this, int count, JSValueConst *values) {
  return started(context) ? strings(context, arguments) : JS_EXCEPTION;
}

static JSValue host_environment(JSContext *context, JSValueConst this, int count, JSValueConst *values) {
  return started(context) ? strings(context, environ) : JS_EXCEPTION;
}

static const JSCFunctionListEntry FUNCTIONS[] = {
    JS_CFUNC_DEF("syscall", 7, host_syscall),
    JS_CFUNC_DEF("open", 1, host_open),
    JS_CFUNC_DEF("symbol", 2, host_symbol),
    JS_CFUNC_DEF("call", 1, host_call),
    JS_CFUNC_DEF("address", 1, host_address),
    JS_CFUNC_DEF("encode", 1, host_encode),
    JS_CFUNC_DEF("encodeInto", 3, host_encode_into),
    JS_CFUNC_DEF("putCalls", 6, host_put_calls),
    JS_CFUNC_DEF("decode", 2, host_decode),
    JS_CFUNC_DEF("now", 0, host_now),
    JS_CFUNC_DEF("arguments", 0, host_arguments),
    JS_CFUNC_DEF("environment", 0, host_environment),
#if defined(__aarch64__)
    JS_PROP_STRING_DEF("arch", "arm64", 0),
#else
    JS_PROP_STRING_DEF("arch", "x64", 0),
#endif
};

void functions_define(JSContext *context) {
  JSValue global = JS_GetGlobalObject(context);
  JSValue engine = JS_NewObject(context);
  JS_SetPropertyFunctionList(context, engine, FUNCTIONS, sizeof FUNCTIONS / sizeof *FUNCTIONS);
  JS_SetPropertyStr(context, global, "engine", engine);
  JS_FreeValue(context, global);
}
