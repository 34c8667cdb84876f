/*
 * Unit tests of the HyperLogLog sketch. Deterministic: a seeded generator, no clock.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hll_test.h"

typedef struct Bytes
{
	uint8_t *data;
	size_t size;
} Bytes;

static Bytes
pack(const HllState *state)
{
	HllPacker packer;
	Bytes bytes;

	hll_pack_prepare(state, &packer, &heap);
	bytes.size = packer.size;
	bytes.data = test_allocate(NULL, bytes.size);
	hll_pack(&packer, bytes.data, &heap);
	return bytes;
}

static bool
same(Bytes a, Bytes b)
{
	return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static HllState *
build(int precision, int width, int cutoff, const uint64_t *hashes, uint32_t n)
{
	HllState *state = hll_create(precision, width, cutoff, &heap);

	for (uint32_t i = 0; i < n; i++)
		state = hll_add(state, hashes[i], &heap);
	return state;
}

static void
shuffle(uint64_t *values, uint32_t n)
{
	for (uint32_t i = n; i > 1; i--)
	{
		uint32_t j = below(i);
		uint64_t value = values[i - 1];

		values[i - 1] = values[j];
		values[j] = value;
	}
}

static uint64_t *
random_hashes(uint32_t n)
{
	uint64_t *hashes = test_allocate(NULL, n * sizeof(uint64_t));

	for (uint32_t i = 0; i < n; i++)
		hashes[i] = random64();
	return hashes;
}

/* ---- hashing --------------------------------------------------------------------------------- */

/* Vectors of the reference implementation (and of postgresql-hll's hll_hash_*). */
static void
test_hash(void)
{
	static const struct
	{
		const char *text;
		uint64_t hash;
	} vectors[] = {
		{"", UINT64_C(0)},
		{"hello", UINT64_C(0xcbd8a7b341bd9b02)},
		{"hello, world", UINT64_C(0x342fac623a5ebc8e)},
		{"19 Jan 2038 at 3:14:07 AM", UINT64_C(0xb89e5988b737affc)},
		{"The quick brown fox jumps over the lazy dog.", UINT64_C(0xcd99481f9ee902c9)},
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		CHECK(hll_hash_bytes(vectors[i].text, strlen(vectors[i].text)) == vectors[i].hash,
			  "\"%s\" gives %016llx", vectors[i].text,
			  (unsigned long long) hll_hash_bytes(vectors[i].text, strlen(vectors[i].text)));
	for (int length = 1; length <= 8; length *= 2)
	{
		uint64_t value = UINT64_C(0x8899aabbccddeeff);
		uint8_t bytes[8];

		hll_store64(bytes, value);
		CHECK(hll_hash_word(value, length) == hll_hash_bytes(bytes, (size_t) length),
			  "words of %d bytes hash as their bytes", length);
	}
	/* Every tail length, against one byte more: no byte is left out. */
	for (size_t length = 1; length < 40; length++)
	{
		uint8_t bytes[40] = {0};
		uint64_t hash = hll_hash_bytes(bytes, length);

		bytes[length - 1] = 1;
		CHECK(hll_hash_bytes(bytes, length) != hash, "byte %zu counts", length);
	}
}

/* ---- forms ----------------------------------------------------------------------------------- */

static void
test_token_values(void)
{
	for (int precision = 0; precision <= HLL_MAX_PRECISION; precision++)
	{
		uint32_t wrong = 0;

		for (int i = 0; i < 20000; i++)
		{
			/* Few bits: long runs of zeros, and rests that are all zero. */
			uint64_t hash = random64() << below(64);
			uint64_t rest;
			uint32_t value;

			if (i % 3 == 0)
				hash &= random64() & random64();
			if (i % 7 == 0)
				hash >>= below(64);
			rest = hash >> precision;
			value = rest == 0 ? 0 : (uint32_t) __builtin_ctzll(rest) + 1;
			wrong += hll_token_value(hll_token(hash), precision) != value;
		}
		CHECK(wrong == 0, "%u tokens of precision %d give another register value", wrong,
			  precision);
	}
}

/* The same set, added and merged in many ways, has the same bytes. */
static void
check_canonical(int precision, int width, int cutoff, uint32_t n)
{
	uint64_t *hashes = random_hashes(n + 1);
	HllState *whole = build(precision, width, cutoff, hashes, n);
	Bytes expected = pack(whole);
	HllState *unpacked;
	HllView view;

	CHECK(hll_check_state(whole) == NULL, "p %d n %u: %s", precision, n, hll_check_state(whole));
	CHECK(hll_check(expected.data, expected.size, &heap) == NULL, "p %d w %d c %d n %u: %s",
		  precision, width, cutoff, n, hll_check(expected.data, expected.size, &heap));
	CHECK(hll_view(expected.data, expected.size, &view) == NULL, "p %d n %u", precision, n);
	unpacked = hll_unpack(&view, &heap);
	CHECK(unpacked != NULL && hll_check_state(unpacked) == NULL, "p %d n %u", precision, n);
	if (unpacked != NULL)
	{
		Bytes again = pack(unpacked);
		const char *error;

		CHECK(same(again, expected), "p %d w %d c %d n %u: unpacked and packed differs", precision,
			  width, cutoff, n);
		CHECK(hll_estimate_packed(&view, &error) == hll_estimate(whole) && error == NULL,
			  "p %d n %u: packed %g, state %g", precision, n, hll_estimate_packed(&view, &error),
			  hll_estimate(whole));
		free(again.data);
		free(unpacked);
	}
	for (int round = 0; round < 4; round++)
	{
		/* Parts that overlap, in any order, half of them merged from packed bytes. */
		HllState *union_ = hll_create(precision, width, cutoff, &heap);
		uint32_t from = 0;
		Bytes result;

		shuffle(hashes, n);
		while (from < n)
		{
			uint32_t length = 1 + below(n);
			uint32_t start = from > 10 ? from - 10 : 0;
			HllState *part;

			if (length > n - from)
				length = n - from;
			part = build(precision, width, cutoff, hashes + start, from + length - start);
			if (below(2) == 0)
				union_ = hll_merge(union_, part, &heap);
			else
			{
				Bytes bytes = pack(part);
				const char *error;

				CHECK(hll_view(bytes.data, bytes.size, &view) == NULL, "p %d", precision);
				union_ = hll_merge_packed(union_, &view, &heap, &error);
				CHECK(error == NULL, "%s", error);
				free(bytes.data);
			}
			free(part);
			from += length;
		}
		result = pack(union_);
		CHECK(same(result, expected), "p %d w %d c %d n %u: merged bytes differ", precision, width,
			  cutoff, n);
		CHECK(hll_check_state(union_) == NULL, "%s", hll_check_state(union_));
		free(result.data);
		free(union_);
	}
	free(whole);
	free(expected.data);
	free(hashes);
}

/* Stored bytes outlive versions: what this version writes must not change unnoticed. */
static void
test_golden(void)
{
	static const struct
	{
		int precision;
		int width;
		int cutoff;
		uint32_t n;
		uint64_t hash; /* of the packed bytes */
	} golden[] = {
		{14, 6, HLL_NATIVE, 0, UINT64_C(0xa3bae28f7bedba50)},
		{14, 6, HLL_NATIVE, 1000, UINT64_C(0x96884c39d1fe0a9c)},
		{14, 6, HLL_NATIVE, 2700, UINT64_C(0xb59efc6c318b0e61)},
		{14, 6, HLL_NATIVE, 2710, UINT64_C(0x91c34f96a870a4f5)},
		{14, 6, HLL_NATIVE, 100000, UINT64_C(0x9742cae3eac4bebb)},
		{11, 6, HLL_NATIVE, 280, UINT64_C(0x6dabd750fde43e81)},
		{11, 6, HLL_NATIVE, 5000, UINT64_C(0xdbcfba628d205bc0)},
		{11, 6, HLL_NATIVE, 7000, UINT64_C(0x0ed4eedfb2c4bc4c)},
		{11, 6, HLL_NATIVE, 8500, UINT64_C(0xe4536a848f553279)},
		{4, 6, HLL_NATIVE, 100, UINT64_C(0x8d0857f7a1118926)},
		{18, 6, HLL_NATIVE, 60000, UINT64_C(0x50e880f9ff930205)},
		{18, 6, HLL_NATIVE, 20000, UINT64_C(0xf1ac882db7cd54bc)},
		{11, 5, 0x40 | 63, 100, UINT64_C(0x5b3793e34865e2bb)},
		{11, 5, 0x40 | 63, 170, UINT64_C(0x2b5ab3212f8ad304)},
		{11, 5, 0x40 | 63, 3000, UINT64_C(0xb47d38a2736901ad)},
		{2, 3, 0x40, 20, UINT64_C(0x12c036b46b366bc0)},
	};

	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++)
	{
		HllState *state = hll_create(golden[i].precision, golden[i].width, golden[i].cutoff, &heap);
		Bytes bytes;

		for (uint64_t value = 0; value < golden[i].n; value++)
			state = hll_add(state, hll_hash_word(value, 8), &heap);
		bytes = pack(state);
		CHECK(hll_hash_bytes(bytes.data, bytes.size) == golden[i].hash,
			  "p %d w %d c %d n %u: UINT64_C(0x%016llx)", golden[i].precision, golden[i].width,
			  golden[i].cutoff, golden[i].n,
			  (unsigned long long) hll_hash_bytes(bytes.data, bytes.size));
		free(bytes.data);
		free(state);
	}
}

static void
test_canonical(void)
{
	static const uint32_t sizes[] = {0, 1, 2, 3, 10, 100, 1000, 5000};

	for (int precision = HLL_MIN_PRECISION; precision <= HLL_MAX_PRECISION; precision++)
	{
		uint32_t limit = hll_token_limit(precision);

		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			check_canonical(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, sizes[i]);
		for (uint32_t n = limit - 1; n <= limit + 1; n++)
			check_canonical(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, n);
		if (precision <= 14)
			check_canonical(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, 5u << precision);
	}
	/* Storage v1's parameters: every width, thresholds none, some and automatic. */
	for (int precision = 0; precision <= HLL_MAX_PRECISION; precision += 3)
		for (int width = 1; width <= 8; width++)
			for (int cutoff = 0; cutoff < 4; cutoff++)
			{
				static const int cutoffs[] = {0x40, 0x40 | 5, 0x40 | 63, 63};

				check_canonical(precision, width, cutoffs[cutoff], below(3000));
				check_canonical(precision, width, cutoffs[cutoff], below(30));
			}
}

static void
test_add_later(void)
{
	for (int precision = HLL_MIN_PRECISION; precision <= HLL_MAX_PRECISION; precision++)
		for (uint32_t n = 0; n < 4000; n = n * 2 + 1)
		{
			uint64_t *hashes = random_hashes(n);
			HllState *now = build(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, hashes, n);
			HllState *later = hll_create(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, &heap);
			Bytes a;
			Bytes b;

			for (uint32_t i = 0; i < n; i++)
				later = hll_add_later(later, hashes[i], &heap);
			later = hll_settle(later, &heap);
			a = pack(now);
			b = pack(later);
			CHECK(same(a, b), "p %d n %u", precision, n);
			free(a.data);
			free(b.data);
			free(now);
			free(later);
			free(hashes);
		}
}

/* Folding gives what adding at the smaller precision had given. */
static void
test_fold(void)
{
	for (int from = HLL_MIN_PRECISION + 1; from <= HLL_MAX_PRECISION; from++)
		for (int to = HLL_MIN_PRECISION; to < from; to++)
		{
			uint32_t n = below(4) == 0 ? below(100) : below(20000);
			uint64_t *hashes = random_hashes(n);
			HllState *folded = hll_fold(build(from, 6, HLL_NATIVE, hashes, n), to, &heap);
			HllState *direct = build(to, 6, HLL_NATIVE, hashes, n);
			Bytes a = pack(folded);
			Bytes b = pack(direct);

			CHECK(same(a, b), "from %d to %d n %u", from, to, n);
			free(a.data);
			free(b.data);
			free(folded);
			free(direct);
			free(hashes);
		}
}

/* Any parameters meet: the union is commutative, associative and idempotent all the same. */
static HllState *
random_state(void)
{
	static const int cutoffs[] = {HLL_NATIVE, HLL_NATIVE, 0x40 | 63, 0x40, 7};
	int cutoff = cutoffs[below(5)];
	int precision = cutoff == HLL_NATIVE ? 4 + (int) below(8) : (int) below(12);
	int width = cutoff == HLL_NATIVE ? HLL_NATIVE_WIDTH : 1 + (int) below(8);
	uint32_t n = below(3) == 0 ? below(4) : below(2) == 0 ? below(60) : below(2000);
	uint64_t *hashes = random_hashes(n);
	HllState *state = build(precision, width, cutoff, hashes, n);

	free(hashes);
	return state;
}

static HllState *
united(const HllState *a, const HllState *b)
{
	return hll_merge(hll_copy(a, &heap), b, &heap);
}

static void
test_mixed_unions(void)
{
	int wrong[5] = {0};
	int smaller = 0;
	int nothing = 0;

	for (int round = 0; round < 3000; round++)
	{
		HllState *a = random_state();
		HllState *b = random_state();
		HllState *c = random_state();
		HllState *states[] = {united(a, b), united(b, a), united(b, c), united(a, a)};
		HllState *left = united(states[0], c);
		HllState *right = united(a, states[2]);
		HllState *through = hll_copy(a, &heap);
		HllState *beyond = hll_beyond(a, hll_copy(b, &heap), &heap);
		HllState *with_beyond = beyond ? united(a, beyond) : hll_copy(a, &heap);
		HllState *nothing_more = hll_beyond(states[0], hll_copy(b, &heap), &heap);
		Bytes ab = pack(states[0]);
		Bytes ba = pack(states[1]);
		Bytes aa = pack(states[3]);
		Bytes only_a = pack(a);
		Bytes only_b = pack(b);
		Bytes l = pack(left);
		Bytes r = pack(right);
		Bytes w = pack(with_beyond);
		Bytes t;
		HllView view;
		const char *error;

		CHECK(hll_view(only_b.data, only_b.size, &view) == NULL, "round %d", round);
		through = hll_merge_packed(through, &view, &heap, &error);
		t = pack(through);
		wrong[0] += !same(ab, ba);
		wrong[1] += !same(l, r);
		wrong[2] += !same(aa, only_a);
		wrong[3] += !same(t, ab);
		wrong[4] += !same(w, ab);
		smaller += beyond && hll_nonzero(beyond) < hll_nonzero(b);
		nothing += nothing_more == NULL;
		free(ab.data);
		free(ba.data);
		free(aa.data);
		free(only_a.data);
		free(only_b.data);
		free(l.data);
		free(r.data);
		free(t.data);
		free(w.data);
		free(beyond);
		free(with_beyond);
		free(nothing_more);
		for (int i = 0; i < 4; i++)
			free(states[i]);
		free(a);
		free(b);
		free(c);
		free(left);
		free(right);
		free(through);
	}
	CHECK(wrong[0] == 0, "%d unions depend on the order", wrong[0]);
	CHECK(wrong[1] == 0, "%d unions depend on the grouping", wrong[1]);
	CHECK(wrong[2] == 0, "%d unions with itself changed something", wrong[2]);
	CHECK(wrong[3] == 0, "%d unions from packed bytes differ", wrong[3]);
	CHECK(wrong[4] == 0, "%d unions with what is beyond differ from those with all", wrong[4]);
	CHECK(smaller > 100 && nothing > 100, "what is beyond was smaller %d times, nothing %d times",
		  smaller, nothing);
}

/* What comes goes in front of bytes that stay; merged, they are what it all is. */
static void
test_loose(void)
{
	int kinds[8] = {0};
	int wrong = 0;
	int moved = 0;
	int nothing = 0;

	for (int round = 0; round < 3000; round++)
	{
		HllState *base = random_state();
		HllState *all = hll_copy(base, &heap);
		Bytes loose = {NULL, 0};
		HllView view;
		const char *error;

		for (int i = 0; i < 5; i++)
		{
			HllState *added = below(8) == 0 ? hll_copy(all, &heap) : random_state();
			Bytes more;
			Bytes one;
			Bytes other;
			HllState *joined;

			if (!hll_loose_can(base, loose.data ? &view : NULL, added))
			{
				free(added);
				continue;
			}
			all = hll_merge(all, added, &heap);
			more.size = hll_loose_bound(base, loose.data ? &view : NULL, added);
			more.data = test_allocate(NULL, more.size);
			more.size = hll_loose_write(hll_copy(base, &heap), loose.data ? &view : NULL, added,
										more.data, &heap);
			if (loose.data)
				moved += more.size < loose.size ||
						 memcmp(more.data + more.size - (loose.size - HLL_LOOSE_HEAD),
								loose.data + HLL_LOOSE_HEAD, loose.size - HLL_LOOSE_HEAD) != 0;
			nothing += more.size == loose.size;
			free(loose.data);
			loose = more;
			CHECK(hll_view(loose.data, loose.size, &view) == NULL, "round %d", round);
			CHECK(hll_check(loose.data, loose.size, &heap) != NULL, "round %d", round);
			kinds[view.kind]++;
			joined = hll_merge_packed(hll_copy(base, &heap), &view, &heap, &error);
			one = pack(joined);
			other = pack(all);
			wrong += error != NULL || !same(one, other);
			free(one.data);
			free(other.data);
			free(joined);
		}
		free(loose.data);
		free(base);
		free(all);
	}
	CHECK(wrong == 0, "%d sets with what came to them are not the unions", wrong);
	CHECK(moved == 0, "%d times bytes that were there changed", moved);
	CHECK(kinds[HLL_PACKED_LOOSE_TOKENS] > 100 && kinds[HLL_PACKED_LOOSE_REGISTERS] > 100 &&
			  nothing > 100,
		  "%d beside tokens, %d beside registers, %d times nothing new",
		  kinds[HLL_PACKED_LOOSE_TOKENS], kinds[HLL_PACKED_LOOSE_REGISTERS], nothing);
}

/* ---- storage v1 ------------------------------------------------------------------------------ */

static void
test_storage(void)
{
	for (int precision = 0; precision <= HLL_MAX_PRECISION; precision++)
		for (int width = 1; width <= 8; width++)
		{
			static const int cutoffs[] = {0, 0x40, 0x40 | 63, 0x40 | 8, 63, 1};
			int cutoff = cutoffs[below(6)];
			uint32_t n = below(3) == 0 ? below(20) : below(3000);
			uint64_t *hashes = random_hashes(n);
			HllState *state = build(precision, width, cutoff, hashes, n);
			HllState *back;
			HllStorage storage;
			uint8_t *bytes;
			size_t size;
			const char *error;

			hll_storage_prepare(state, width, cutoff, &storage, &heap);
			size = storage.size;
			bytes = test_allocate(NULL, size);
			hll_storage_write(&storage, bytes, &heap);
			back = hll_storage_read(bytes, size, &heap, &error);
			CHECK(back != NULL, "log2m %d regwidth %d cutoff %d n %u: %s", precision, width, cutoff,
				  n, error);
			if (back != NULL)
			{
				Bytes a = pack(state);
				Bytes b = pack(back);

				CHECK(same(a, b), "log2m %d regwidth %d cutoff %d n %u: not the same sketch",
					  precision, width, cutoff, n);
				free(a.data);
				free(b.data);
				free(back);
			}
			for (size_t cut = 1; cut <= size && cut <= 9; cut++)
			{
				/* Some prefixes are shorter sets; none may crash. */
				back = hll_storage_read(bytes, size - cut, &heap, &error);
				free(back);
			}
			free(bytes);
			free(state);
			free(hashes);
		}
}

/* The examples of the specification. */
static void
test_storage_examples(void)
{
	static const uint8_t explicit_set[] = {0x12, 0x8B, 0x7F, 0xCB, 0xA7, 0x97, 0x00,
										   0x67, 0x7C, 0xDE, 0xAA, 0x00, 0x00, 0x00,
										   0x00, 0x00, 0x00, 0x00, 0x01};
	static const uint8_t sparse_set[] = {0x13, 0xAB, 0x7F, 0x01, 0x63, 0x44, 0xB4, 0xC0};
	const char *error;
	HllState *state = hll_storage_read(explicit_set, sizeof(explicit_set), &heap, &error);

	CHECK(state != NULL && state->count == 2 &&
			  hll_elements(state)[0] == (int64_t) UINT64_C(0xCBA79700677CDEAA) &&
			  hll_elements(state)[1] == 1,
		  "explicit: %s", error == NULL ? "" : error);
	free(state);
	state = hll_storage_read(sparse_set, sizeof(sparse_set), &heap, &error);
	CHECK(state != NULL && hll_nonzero(state) == 2 && hll_registers(state)[11] == 6 &&
			  hll_registers(state)[1099] == 19,
		  "sparse: %s", error == NULL ? "" : error);
	free(state);
}

static void
test_storage_errors(void)
{
	static const struct
	{
		uint8_t bytes[24];
		size_t size;
		const char *error;
	} cases[] = {
		{{0x11, 0x8B}, 2, "shorter than a header"},
		{{0x21, 0x8B, 0x7F}, 3, "schema version is not 1"},
		{{0x11, 0x93, 0x7F}, 3, "log2m is greater than 18"},
		{{0x11, 0x8B, 0xFF}, 3, "cutoff byte has its padding bit set"},
		{{0x10, 0x8B, 0x7F}, 3, "type is UNDEFINED"},
		{{0x15, 0x8B, 0x7F}, 3, "unknown type"},
		{{0x11, 0x8B, 0x7F, 0}, 4, "EMPTY set with data"},
		{{0x12, 0x8B, 0x7F, 0}, 4, "EXPLICIT set whose length is not a multiple of 8 bytes"},
		{{0x12, 0x8B, 0x7F, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1},
		 19,
		 "EXPLICIT set whose elements do not ascend"},
		{{0x13, 0x8B, 0x7F, 0, 0}, 5, "SPARSE set with an impossible register value"},
		{{0x13, 0xEB, 0x7F, 0, 0xFF, 0, 0}, 7, "SPARSE set with an impossible register value"},
		{{0x13, 0x8B, 0x7F, 0, 1, 0, 1}, 7, "SPARSE set whose register indices do not ascend"},
		{{0x13, 0xAB, 0x7F, 0x01, 0x63, 0x7F}, 6, "SPARSE set whose padding is not zero"},
		{{0x14, 0x8B, 0x7F, 0}, 4, "FULL set whose length does not fit its registers"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const char *error;
		HllState *state = hll_storage_read(cases[i].bytes, cases[i].size, &heap, &error);

		CHECK(state == NULL && error != NULL && strcmp(error, cases[i].error) == 0,
			  "\"%s\" instead of \"%s\"", error == NULL ? "no error" : error, cases[i].error);
		free(state);
	}
}

/* ---- damaged bytes --------------------------------------------------------------------------- */

static void
test_damage(void)
{
	int silent = 0;

	for (int round = 0; round < 4000; round++)
	{
		HllState *state = random_state();
		Bytes bytes = pack(state);
		Bytes damaged = {test_allocate(NULL, bytes.size + 9), bytes.size};
		HllView view;

		memcpy(damaged.data, bytes.data, bytes.size);
		if (below(3) == 0)
			damaged.size = below((uint32_t) bytes.size);
		else if (below(3) == 0)
			damaged.size += 1 + below(8);
		for (uint32_t flips = below(4); flips > 0 && damaged.size > 0; flips--)
			damaged.data[below((uint32_t) damaged.size)] ^= (uint8_t) (1u << below(8));
		/* What passes the check must be some set; what does not must still not hurt. */
		if (hll_check(damaged.data, damaged.size, &heap) == NULL)
		{
			HllState *other;
			Bytes again;

			(void) hll_view(damaged.data, damaged.size, &view);
			other = hll_unpack(&view, &heap);
			again = pack(other);
			silent += !same(again, damaged);
			free(again.data);
			free(other);
		}
		else if (hll_view(damaged.data, damaged.size, &view) == NULL)
		{
			const char *error;

			(void) hll_estimate_packed(&view, &error);
			state = hll_merge_packed(state, &view, &heap, &error);
		}
		free(state);
		free(bytes.data);
		free(damaged.data);
	}
	CHECK(silent == 0, "%d damaged sketches were taken for others", silent);
}

/* ---- SIMD ------------------------------------------------------------------------------------ */

static void
fill_registers(uint8_t *registers, uint32_t n, int kind)
{
	for (uint32_t i = 0; i < n; i++)
		switch (kind)
		{
			case 0: /* a real one */
				registers[i] = (uint8_t) (5 + __builtin_ctzll(random64() | UINT64_C(1) << 50));
				break;
			case 1:
				registers[i] = (uint8_t) below(62);
				break;
			case 2:
				registers[i] = below(2) == 0 ? 0 : 61;
				break;
			default:
				registers[i] = (uint8_t) (below(30) == 0 ? 1 + below(20) : 0);
				break;
		}
}

static void
check_simd(const char *name)
{
	static uint8_t registers[4096];
	static uint8_t others[4096];
	int wrong = 0;
	const HllSimd *path;

	if (!hll_simd_use(name))
	{
		printf("%s: not on this machine\n", name);
		return;
	}
	path = hll_simd_chosen();
	for (int round = 0; round < 200; round++)
	{
		size_t n = 64u << below(7);
		uint8_t base = (uint8_t) below(20);
		uint8_t planes[2][4096 / 64 * 24];
		uint8_t exceptions[2][4096 + 128];
		uint8_t out[2][4096 + 64];
		uint8_t table[16];
		uint32_t counts[2][HLL_VALUES];
		size_t found;

		fill_registers(registers, (uint32_t) n, (int) below(4));
		fill_registers(others, (uint32_t) n, (int) below(4));
		for (int i = 0; i < 2; i++)
		{
			memcpy(out[i], registers, n);
			(i == 0 ? &hll_simd_scalar : path)->max(out[i], others, n);
		}
		wrong += memcmp(out[0], out[1], n) != 0;
		hll_simd_scalar.histogram(registers, n, counts[0]);
		path->histogram(registers, n, counts[1]);
		wrong += memcmp(counts[0], counts[1], sizeof(counts[0])) != 0;
		found = hll_simd_scalar.make_planes(registers, n / 64, base, planes[0], exceptions[0]);
		wrong += path->make_planes(registers, n / 64, base, planes[1], exceptions[1]) != found;
		wrong += memcmp(planes[0], planes[1], n / 64 * 24) != 0;
		wrong += memcmp(exceptions[0], exceptions[1], found) != 0;
		wrong += path->count_exceptions(planes[0], n / 64) != found;
		wrong += hll_simd_scalar.count_exceptions(planes[0], n / 64) != found;
		memset(counts, 0, sizeof(counts));
		hll_simd_scalar.count_codes(planes[0], n / 64, counts[0]);
		path->count_codes(planes[0], n / 64, counts[1]);
		wrong += memcmp(counts[0], counts[1], sizeof(counts[0])) != 0;
		for (int i = 0; i < 2; i++)
		{
			memcpy(out[i], others, n);
			wrong += (i == 0 ? &hll_simd_scalar : path)
						 ->merge_planes(out[i], planes[0], n / 64, base, exceptions[0]) != found;
		}
		wrong += memcmp(out[0], out[1], n) != 0;
		for (int i = 0; i < 16; i++)
			table[i] = (uint8_t) random64();
		found = below((uint32_t) n / 2);
		hll_simd_scalar.expand_nibbles(registers, found, table, out[0]);
		path->expand_nibbles(registers, found, table, out[1]);
		wrong += memcmp(out[0], out[1], 2 * found) != 0;
	}
	CHECK(wrong == 0, "%s differs from scalar %d times", name, wrong);
	/* And whole sketches, every form, on this path. */
	for (int precision = HLL_MIN_PRECISION; precision <= 16; precision++)
		check_canonical(precision, HLL_NATIVE_WIDTH, HLL_NATIVE, 3u << precision);
}

static void
test_simd(void)
{
	const char *chosen = hll_simd();

	printf("chosen here: %s\n", chosen);
	check_simd("scalar");
	check_simd("avx2");
	check_simd("avx512");
	check_simd("neon");
	CHECK(hll_simd_use(chosen), "%s", chosen);
	CHECK(!hll_simd_use("abacus"), "an unknown path was taken");
}

/* ---- sizes and answers ----------------------------------------------------------------------- */

static void
test_sizes(void)
{
	uint64_t *hashes = random_hashes(1000);
	HllState *state = build(14, 6, HLL_NATIVE, hashes, 1000);
	Bytes bytes = pack(state);

	CHECK(bytes.size <= 2600, "1,000 values at precision 14 take %zu bytes", bytes.size);
	free(bytes.data);
	free(state);
	free(hashes);
	/* Every sixth of an octave, as the base moves under the values. */
	for (double n = 1000; n < 200000; n *= 1.12)
	{
		hashes = random_hashes((uint32_t) n);
		state = build(11, 6, HLL_NATIVE, hashes, (uint32_t) n);
		bytes = pack(state);
		CHECK(bytes.size <= 900, "%.0f values at precision 11 take %zu bytes", n, bytes.size);
		free(bytes.data);
		free(state);
		free(hashes);
	}
}

int
main(void)
{
	seed = 42;
	test_hash();
	test_token_values();
	test_golden();
	test_canonical();
	test_add_later();
	test_fold();
	test_mixed_unions();
	test_loose();
	test_storage();
	test_storage_examples();
	test_storage_errors();
	test_damage();
	test_simd();
	test_sizes();
	test_estimates();
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}
