/*
 * What targets of the fuzzer within a server (fuzz_server.c) are, and what they may use.
 */
#ifndef FUZZ_SERVER_H
#define FUZZ_SERVER_H

#include "postgres.h"

typedef struct FuzzTarget
{
	const char *name;
	void (*begin)(void);                             /* once */
	void (*before)(void);                            /* each input */
	void (*input)(const uint8_t *data, size_t size); /* may throw an error */
	void (*after)(void);                             /* whether it did or not */
} FuzzTarget;

extern const FuzzTarget fuzz_types;
extern const FuzzTarget fuzz_options;
extern const FuzzTarget fuzz_arguments;

/* Ends the run: this input is a finding. */
extern void fuzz_fail(const char *what) pg_attribute_noreturn();

/*
 * As text of the server: NULL where no client could have sent it, for it is no UTF-8 or has a zero
 * byte.
 */
extern char *fuzz_text(const uint8_t *data, size_t size);

/* Lines as such texts, at most so many; -1 where one of them is none. */
extern int fuzz_lines(const uint8_t *data, size_t size, char **lines, int most);

/* A memory context for one input. */
extern MemoryContext fuzz_context(void);

#endif
