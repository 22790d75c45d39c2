// What the program gives its JavaScript: functions.c.

#pragma once

#include "quickjs.h"

/// Makes the global object `engine`.
void functions_define(JSContext *context);

/// What engine.arguments() is to answer.
void functions_arguments(char **values);
