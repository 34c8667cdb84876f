/*
 * Where a summary's memory comes from: the caller's two functions.
 */
#ifndef TELEMETRY_SKETCH_MEMORY_H
#define TELEMETRY_SKETCH_MEMORY_H

#include <stddef.h>

typedef struct SketchMemory
{
	void *(*allocate)(void *arg, size_t size); /* never returns NULL: it may longjmp away */
	void (*release)(void *arg, void *pointer);
	void *arg;
} SketchMemory;

#endif
