/*
 * libFuzzer within a server: fuzz(target, arguments) calls the module's SQL functions with inputs
 * that the coverage of telemetry.so leads to. What an input is taken for, a target says:
 *
 *   types      texts and bytes as values of the module's types (fuzz_types.c)
 *   options    options of servers, user mappings, tables and columns (fuzz_options.c)
 *   arguments  arguments of functions, in a transaction that is rolled back (fuzz_arguments.c)
 *
 * What must hold: no crash, nothing that a sanitizer says, no error of class XX, and what the
 * target asks for itself. Memory of an input is malloc()'s, block by block where PostgreSQL lets us
 * say so (15), so that AddressSanitizer sees overruns that PostgreSQL's own contexts hide.
 */
#include "fuzz_server.h"

#include <fcntl.h>
#include <unistd.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

extern int LLVMFuzzerRunDriver(int *argc, char ***argv,
							   int (*input)(const uint8_t *data, size_t size));

static const FuzzTarget *const targets[] = {&fuzz_types, &fuzz_options, &fuzz_arguments};
static const FuzzTarget *target;
static MemoryContext input_context;

void
fuzz_fail(const char *what)
{
	fprintf(stderr, "fuzz: %s\n", what);
	abort();
}

char *
fuzz_text(const uint8_t *data, size_t size)
{
	char *text = palloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	return pg_verify_mbstr(PG_UTF8, text, size, true) ? text : NULL;
}

int
fuzz_lines(const uint8_t *data, size_t size, char **lines, int most)
{
	int n = 0;

	while (n < most)
	{
		const uint8_t *end = memchr(data, '\n', size);
		size_t length = end != NULL ? (size_t) (end - data) : size;

		lines[n] = fuzz_text(data, length);
		if (lines[n++] == NULL)
			return -1;
		if (end == NULL)
			break;
		data += length + 1;
		size -= length + 1;
	}
	return n;
}

/* An error is what most inputs deserve, but none of the kind that cannot happen. */
static void
check_error(void)
{
	ErrorData *error;

	if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_INTERNAL_ERROR)
		return;
	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	fprintf(stderr, "internal error: %s (%s:%d, %s)\n", error->message, error->filename,
			error->lineno, error->funcname);
	fuzz_fail("an error of class XX");
}

static int
one_input(const uint8_t *data, size_t size)
{
	/* A block of its own, of exactly this size: a byte too far is seen. */
	uint8_t *bytes = memcpy(malloc(size > 0 ? size : 1), data, size);

	MemoryContextSwitchTo(input_context);
	target->before();
	PG_TRY();
	{
		target->input(bytes, size);
	}
	PG_CATCH();
	{
		check_error();
		FlushErrorState();
	}
	PG_END_TRY();
	target->after();
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(input_context);
	free(bytes);
	CHECK_FOR_INTERRUPTS();
	return 0;
}

/*
 * libFuzzer ends its process by exit() when it is through, and by other ways when it has found
 * something.
 */
static void
say_the_end(void)
{
	fprintf(stderr, "fuzz: came to its end\n");
}

PG_FUNCTION_INFO_V1(fuzz);
Datum
fuzz(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *log = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Datum *elements;
	char **argv;
	int argc, file;

	for (int i = 0; i < (int) lengthof(targets); i++)
		if (strcmp(targets[i]->name, name) == 0)
			target = targets[i];
	if (target == NULL)
		elog(ERROR, "no target %s", name);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL,
					  &argc);
	argv = palloc(sizeof(char *) * (argc + 2));
	argv[0] = "fuzz";
	for (int i = 0; i < argc; i++)
		argv[i + 1] = text_to_cstring(DatumGetTextPP(elements[i]));
	argv[++argc] = NULL;
	file = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (file < 0 || dup2(file, STDERR_FILENO) < 0)
		elog(ERROR, "could not write %s", log);
	atexit(say_the_end);
	input_context = fuzz_context();
	target->begin();
	exit(LLVMFuzzerRunDriver(&argc, &argv, one_input));
}
