/*
 * Sets of sessions as bytes: two for format and version, then numbers of 7 bits a byte, low ones
 * first: gap, number of sessions, and of each session
 *
 *     its first time     the first one's as it is, with the sign in the lowest bit; then what is
 * more than the gap after the last time before its length its events - 1
 *
 * modulo 2^64, so that infinite times need no case of their own. A session of an hour and 100
 * events a day after the one before takes 12 bytes.
 */
#include "sketch/sessions.h"

#include "sketch/varint.h"

#define FORMAT  0x53
#define VERSION 1

/* The three numbers of a session. */
static void
numbers_of(const Sessions *sessions, size_t i, uint64_t numbers[3])
{
	const Session *session = &sessions->list[i];
	uint64_t first = (uint64_t) session->first;

	if (i == 0)
		numbers[0] = varint_zigzag(session->first);
	else
		numbers[0] = first - (uint64_t) sessions->list[i - 1].last - (uint64_t) sessions->gap - 1;
	numbers[1] = (uint64_t) session->last - first;
	numbers[2] = (uint64_t) session->count - 1;
}

size_t
sessions_size(const Sessions *sessions)
{
	size_t size = 2 + varint_size((uint64_t) sessions->gap) + varint_size(sessions->count);
	uint64_t numbers[3];
	size_t i;

	for (i = 0; i < sessions->count; i++)
	{
		numbers_of(sessions, i, numbers);
		size += varint_size(numbers[0]) + varint_size(numbers[1]) + varint_size(numbers[2]);
	}
	return size;
}

void
sessions_pack(const Sessions *sessions, uint8_t *out)
{
	uint64_t numbers[3];
	size_t i;

	*out++ = FORMAT;
	*out++ = VERSION;
	out = varint_write(out, (uint64_t) sessions->gap);
	out = varint_write(out, sessions->count);
	for (i = 0; i < sessions->count; i++)
	{
		numbers_of(sessions, i, numbers);
		out = varint_write(out, numbers[0]);
		out = varint_write(out, numbers[1]);
		out = varint_write(out, numbers[2]);
	}
}

static Session
session_of(const Sessions *sessions, const uint64_t numbers[3])
{
	uint64_t first;

	if (sessions->count == 0)
		first = (uint64_t) varint_unzigzag(numbers[0]);
	else
		first = numbers[0] + (uint64_t) sessions->list[sessions->count - 1].last +
				(uint64_t) sessions->gap + 1;
	return (Session){(int64_t) first, (int64_t) (first + numbers[1]), (int64_t) (numbers[2] + 1)};
}

const char *
sessions_unpack(const uint8_t *in, size_t size, Sessions *sessions, const SketchMemory *memory)
{
	const uint8_t *end = in + size;
	uint64_t gap, count;

	sessions_init(sessions, 1);
	if (size < 4 || in[0] != FORMAT)
		return "no set of sessions";
	if (in[1] != VERSION)
		return "a set of sessions of an unknown version";
	in = varint_read(in + 2, end, &gap);
	if (in == NULL || gap == 0 || gap > INT64_MAX)
		return "the gap is damaged";
	sessions->gap = (int64_t) gap;
	in = varint_read(in, end, &count);
	if (in == NULL || count > (uint64_t) (end - in) / 3)
		return "the number of sessions is damaged";
	while (count-- > 0)
	{
		uint64_t numbers[3];
		Session session;
		const char *error;
		int i;

		for (i = 0; i < 3 && in != NULL; i++)
			in = varint_read(in, end, &numbers[i]);
		if (in == NULL)
			return "the bytes of a session are damaged";
		session = session_of(sessions, numbers);
		error = sessions_append(sessions, &session, memory);
		if (error != NULL)
			return error;
	}
	return in == end ? NULL : "bytes are left over";
}
