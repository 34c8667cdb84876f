#include "common.h"

#include <stdlib.h>
#include <string.h>

int passed;
int failed;
uint64_t seed;

/* SplitMix64 (Steele, Lea, Flood 2014): one 64-bit state. */
uint64_t
random64(void)
{
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void *
test_allocate(void *arg, size_t size)
{
	void *pointer = malloc(size == 0 ? 1 : size);

	(void) arg;
	if (pointer == NULL)
		abort();
	memset(pointer, 0xA5, size);
	return pointer;
}

static void
test_release(void *arg, void *pointer)
{
	(void) arg;
	free(pointer);
}

const SketchMemory heap = {test_allocate, test_release, NULL};
