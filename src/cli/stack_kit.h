/* weir stack test NAME: the conformance kit over a stack. */
#ifndef WEIR_CLI_STACK_KIT_H
#define WEIR_CLI_STACK_KIT_H

#include "bench/stack.h"

/* As given on the command line; NULL: not given. */
struct stack_kit_options {
    const char *clause, *kit, *keep, *timeout;
    bool json, not_strict;
};

/* Runs the kit and prints what came out; ERR_DIFFERENT, with an empty message, when a case failed. */
int stack_kit_run(const struct stack *s, const struct stack_kit_options *o, struct err *e);

#endif
