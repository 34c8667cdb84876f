/*
 * Funnels as bytes: two for format and version, then numbers (varint.h): how many events, and of
 * each
 *
 *     its time                  the first one's as it is, with the sign in the lowest bit; then
 * what it is later than the one before, modulo 2^64 2 (step - 1), and 1 more where it came more
 * often than once, or a negative number of times then that number          with the sign in the
 * lowest bit
 *
 * Six bytes an event, if they are minutes apart.
 */
#include "sketch/funnel.h"

#include "sketch/varint.h"

#define FORMAT     0x46
#define VERSION    1
#define COUNT_MOST (INT64_C(1) << 62)

static uint64_t
time_number(const Funnel *funnel, size_t i)
{
	if (i == 0)
		return varint_zigzag(funnel->list[0].time);
	return (uint64_t) funnel->list[i].time - (uint64_t) funnel->list[i - 1].time;
}

size_t
funnel_size(const Funnel *funnel)
{
	size_t size = 2 + varint_size(funnel->count);
	size_t i;

	/* A step is one byte. */
	for (i = 0; i < funnel->count; i++)
	{
		size += varint_size(time_number(funnel, i)) + 1;
		if (funnel->list[i].count != 1)
			size += varint_size(varint_zigzag(funnel->list[i].count));
	}
	return size;
}

void
funnel_pack(const Funnel *funnel, uint8_t *out)
{
	size_t i;

	*out++ = FORMAT;
	*out++ = VERSION;
	out = varint_write(out, funnel->count);
	for (i = 0; i < funnel->count; i++)
	{
		const FunnelEvent *event = &funnel->list[i];

		out = varint_write(out, time_number(funnel, i));
		*out++ = (uint8_t) ((event->step - 1) << 1 | (event->count != 1));
		if (event->count != 1)
			out = varint_write(out, varint_zigzag(event->count));
	}
}

static bool
is_time(int64_t time)
{
	return time == INT64_MIN || time == INT64_MAX ||
		   (time >= FUNNEL_FIRST_TIME && time < FUNNEL_END_TIME);
}

/* NULL: the bytes of an event are damaged. */
static const uint8_t *
read_event(const uint8_t *in, const uint8_t *end, const FunnelEvent *before, FunnelEvent *event)
{
	uint64_t number;

	in = varint_read(in, end, &number);
	if (in == NULL || in == end || *in >= 2 * FUNNEL_STEPS)
		return NULL;
	event->time =
		before == NULL ? varint_unzigzag(number) : (int64_t) ((uint64_t) before->time + number);
	event->step = (*in >> 1) + 1;
	event->count = 1;
	if (*in++ & 1)
	{
		in = varint_read(in, end, &number);
		event->count = varint_unzigzag(number);
		if (event->count == 0 || event->count == 1 || event->count > COUNT_MOST ||
			event->count < -COUNT_MOST)
			return NULL;
	}
	return in;
}

const char *
funnel_unpack(const uint8_t *in, size_t size, Funnel *funnel, const SketchMemory *memory)
{
	const uint8_t *end = in + size;
	uint64_t count;

	funnel_init(funnel);
	if (size < 3 || in[0] != FORMAT)
		return "no funnel";
	if (in[1] != VERSION)
		return "a funnel of an unknown version";
	in = varint_read(in + 2, end, &count);
	if (in == NULL || count > (uint64_t) (end - in) / 2 || count > FUNNEL_MOST)
		return "the number of events is damaged";
	if (count > 0)
		funnel->list = memory->allocate(memory->arg, count * sizeof(FunnelEvent));
	funnel->room = count;
	while (funnel->count < count)
	{
		FunnelEvent *event = &funnel->list[funnel->count];

		in = read_event(in, end, funnel->count > 0 ? event - 1 : NULL, event);
		if (in == NULL)
			return "the bytes of an event are damaged";
		if (!is_time(event->time))
			return "a time is out of range";
		if (funnel->count > 0 && funnel_compare(event - 1, event) >= 0)
			return "events are not in order";
		funnel->sorted = ++funnel->count;
	}
	return in == end ? NULL : "bytes are left over";
}
