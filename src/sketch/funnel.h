/*
 * The events of a funnel: when somebody did which step, and how far he got in their order.
 *
 * Times are microseconds since 2000-01-01 00:00 UTC; steps count from 1. What is kept are all
 * events with the number of times that each came, since any of them may matter for what comes late:
 * of two logins the earlier one counts for nothing only as long as no purchase comes between. So
 * whatever was added can be taken away.
 */
#ifndef TELEMETRY_SKETCH_FUNNEL_H
#define TELEMETRY_SKETCH_FUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sketch/memory.h"

#define FUNNEL_STEPS 64

/* Different events in one funnel: of more, settling is an error. */
#define FUNNEL_MOST ((size_t) 1 << 22)

/* What PostgreSQL's timestamps can be: [4714-11-24 BC, 294277-01-01), and the infinite ones. */
#define FUNNEL_FIRST_TIME INT64_C(-211813488000000000)
#define FUNNEL_END_TIME   INT64_C(9223371331200000000)

typedef struct FunnelEvent
{
	int64_t time;
	int64_t count; /* how often it came; less than 0 in what takes others away */
	int32_t step;  /* 1 to FUNNEL_STEPS */
} FunnelEvent;

/* Does not move. */
typedef struct Funnel
{
	FunnelEvent *list; /* the first of them sorted, each once; the others as they came */
	size_t sorted;
	size_t count;
	size_t room;
} Funnel;

extern void funnel_init(Funnel *funnel);
extern void funnel_reset(Funnel *funnel, const SketchMemory *memory);

/* These return what is wrong, or NULL. */
extern const char *funnel_add(Funnel *funnel, const FunnelEvent *event, const SketchMemory *memory);

/* Adds the events of another one, which is settled, or takes them away. */
extern const char *funnel_merge(Funnel *into, const Funnel *from, bool subtract,
								const SketchMemory *memory);

/* Sorts everything, each event once; to be called before anything below. */
extern const char *funnel_settle(Funnel *funnel, const SketchMemory *memory);

/*
 * The greatest n such that steps 1 to n were done one later than the other, the last one at most
 * within (microseconds) later than the first; 0: not even the first. -1: a number is negative.
 */
extern int funnel_reached(const Funnel *funnel, uint64_t within);

/* Packed bytes, which follow from the events and their numbers alone. */
extern size_t funnel_size(const Funnel *funnel);
extern void funnel_pack(const Funnel *funnel, uint8_t *bytes);

/* What is wrong with the bytes, or NULL. funnel is made here, also where something is wrong. */
extern const char *funnel_unpack(const uint8_t *bytes, size_t size, Funnel *funnel,
								 const SketchMemory *memory);

/* Where an event stands in the order: by time; of the same time, the last step first. */
static inline int
funnel_compare(const FunnelEvent *a, const FunnelEvent *b)
{
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return (a->step < b->step) - (a->step > b->step);
}

#endif
