// A heap at a fixed address, whose contents the build keeps: main.c says why.

#pragma once

#include <stdbool.h>

#include "quickjs.h"

/// What JS_NewRuntime2 is to allocate with.
extern const JSMallocFunctions HEAP_FUNCTIONS;

/// The context that the program was built with; NULL while it is being built. To be called at the start: it has the kernel
/// make all pages at once that are sure to be written to.
JSContext *heap_context(void);

/// Sets up an empty heap, for the build; false when something is in its place. Must be called before the C library is asked
/// for memory, which begins right behind the program too where the kernel, or an emulator, does not place it at random.
bool heap_begin(void);

/// Learns, for the build, what a start writes to, from a sample of one: it is run in a child.
void heap_learn(void (*sample)(void));

/// Writes the heap to a file, for the build to put into the executable. Tells on stderr why when it cannot.
bool heap_write_image(JSContext *context, const char *file);
