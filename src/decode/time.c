/*
 * ISO 8601. See time.h.
 */
#include "decode/time.h"

#include "base/epoch.h"
#include "pgtime.h"
#include "utils/datetime.h"

/* Past these no timestamp is in range; date goes further. */
#define YEAR_DIGITS_MAX 7

static inline bool
is_digit(char c)
{
	return (unsigned char) (c - '0') <= 9;
}

static inline int
digit_run(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && is_digit(*p))
		p++;
	return p - start;
}

static inline int32
two_digits(const char *p)
{
	return (p[0] - '0') * 10 + (p[1] - '0');
}

static inline int32
digits_value(const char *p, int n)
{
	int32 value = 0;

	while (n-- > 0)
		value = value * 10 + (*p++ - '0');
	return value;
}

/*
 * A fraction of a second, rounded as PostgreSQL rounds it: the decimal becomes the nearest double,
 * is multiplied by a million, and rounded to even.
 */
static int64
fraction_microseconds(const char *digits, int n)
{
	static const double power[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
								   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	char buffer[128];

	if (n <= 6)
	{
		static const int32 scale[] = {1000000, 100000, 10000, 1000, 100, 10, 1};

		return (int64) digits_value(digits, n) * scale[n];
	}
	if (n <= 15) /* both exact as doubles, so that the quotient is correctly rounded */
	{
		int64 value = 0;

		for (int i = 0; i < n; i++)
			value = value * 10 + (digits[i] - '0');
		return (int64) rint((double) value / power[n] * 1000000.0);
	}

	/* A hundred digits decide any double's rounding to a microsecond. */
	n = Min(n, 100);
	buffer[0] = '.';
	memcpy(buffer + 1, digits, n);
	buffer[n + 1] = '\0';
	return (int64) rint(strtod(buffer, NULL) * 1000000.0);
}

/* YYYY-MM-DD or YYYYMMDD; years of more than four digits only with dashes. */
static const char *
parse_date(const char *p, const char *end, TimeFields *fields)
{
	int n = digit_run(p, end);

	if (n == 8)
	{
		fields->year = digits_value(p, 4);
		fields->month = two_digits(p + 4);
		fields->day = two_digits(p + 6);
		fields->has_date = true;
		return p + 8;
	}
	if (n < 4 || n > YEAR_DIGITS_MAX)
		return NULL;
	fields->year = digits_value(p, n);
	p += n;
	if (end - p < 6 || p[0] != '-' || !is_digit(p[1]) || !is_digit(p[2]) || p[3] != '-' ||
		!is_digit(p[4]) || !is_digit(p[5]))
		return NULL;
	fields->month = two_digits(p + 1);
	fields->day = two_digits(p + 4);
	fields->has_date = true;
	p += 6;
	return p < end && is_digit(*p) ? NULL : p;
}

/* HH:MM[:SS[.f]] or HHMM[SS[.f]] */
static const char *
parse_time(const char *p, const char *end, TimeFields *fields)
{
	int n = digit_run(p, end);
	bool seconds = false;

	if (n == 2)
	{
		fields->hour = two_digits(p);
		p += 2;
		if (end - p < 3 || p[0] != ':' || digit_run(p + 1, end) != 2)
			return NULL;
		fields->minute = two_digits(p + 1);
		p += 3;
		if (p < end && *p == ':')
		{
			if (digit_run(p + 1, end) != 2)
				return NULL;
			fields->second = two_digits(p + 1);
			seconds = true;
			p += 3;
		}
	}
	else if (n == 4 || n == 6)
	{
		fields->hour = two_digits(p);
		fields->minute = two_digits(p + 2);
		seconds = n == 6;
		if (seconds)
			fields->second = two_digits(p + 4);
		p += n;
	}
	else
		return NULL;

	if (seconds && p < end && *p == '.')
	{
		n = digit_run(p + 1, end);
		if (n == 0)
			return NULL;
		fields->microsecond = fraction_microseconds(p + 1, n);
		p += n + 1;
	}
	fields->has_time = true;
	return p;
}

/* Z, +HH, +HHMM, +HH:MM, +HH:MM:SS; NULL: none of these. */
static const char *
parse_zone(const char *p, const char *end, TimeFields *fields, TimeVerdict *verdict)
{
	bool west;
	int n;
	int32 hour;
	int32 minute = 0;
	int32 second = 0;

	fields->has_zone = true;
	if (*p == 'Z' || *p == 'z')
		return p + 1;

	west = *p == '-';
	p++;
	n = digit_run(p, end);
	if (n != 2 && n != 4)
		return NULL;
	hour = two_digits(p);
	if (n == 4)
		minute = two_digits(p + 2);
	p += n;
	if (n == 2 && p < end && *p == ':')
	{
		if (digit_run(p + 1, end) != 2)
			return NULL;
		minute = two_digits(p + 1);
		p += 3;
		if (p < end && *p == ':')
		{
			if (digit_run(p + 1, end) != 2)
				return NULL;
			second = two_digits(p + 1);
			p += 3;
		}
	}
	if (hour > MAX_TZDISP_HOUR || minute >= MINS_PER_HOUR || second >= SECS_PER_MINUTE)
		*verdict = TIME_ZONE;
	fields->zone = (hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE + second;
	if (west)
		fields->zone = -fields->zone;
	return p;
}

static const char *
skip_blanks(const char *p, const char *end)
{
	while (p < end && *p == ' ')
		p++;
	return p;
}

static bool
is_leap(int32 year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static TimeVerdict
check_fields(TimeFields *fields, bool bc)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (fields->has_date)
	{
		/* There is no year 0; and what no type can hold need not be computed. */
		if (fields->year == 0 || fields->year > JULIAN_MAXYEAR)
			return TIME_FIELD;
		if (bc)
			fields->year = 1 - fields->year;
		if (fields->month < 1 || fields->month > 12 || fields->day < 1)
			return TIME_FIELD;
		if (fields->day > days[fields->month - 1] &&
			!(fields->month == 2 && fields->day == 29 && is_leap(fields->year)))
			return TIME_FIELD;
	}
	/* A 60th second is the next minute; 24:00:00 is the next day, and nothing may be later. */
	if (fields->minute > 59 || fields->second > 60 || fields->hour > 24)
		return TIME_FIELD;
	if (((fields->hour * INT64CONST(60) + fields->minute) * 60 + fields->second) * USECS_PER_SEC +
			fields->microsecond >
		USECS_PER_DAY)
		return TIME_FIELD;
	return TIME_OK;
}

static bool
parse_infinity(const char *p, const char *end, TimeFields *fields)
{
	int sign = 1;

	if (p < end && (*p == '-' || *p == '+'))
		sign = *p++ == '-' ? -1 : 1;
	if (end - p != 8 || pg_strncasecmp(p, "infinity", 8) != 0)
		return false;
	fields->infinity = sign;
	return true;
}

TimeVerdict
time_parse(const char *text, size_t length, TimeFields *fields)
{
	const char *p = text;
	const char *end = text + length;
	TimeVerdict verdict = TIME_OK;
	bool bc = false;

	memset(fields, 0, sizeof(*fields));
	p = skip_blanks(p, end);
	while (end > p && end[-1] == ' ')
		end--;
	if (p >= end)
		return TIME_SYNTAX;
	if (!is_digit(*p) && *p != 'T' && *p != 't')
		return parse_infinity(p, end, fields) ? TIME_OK : TIME_SYNTAX;

	/* A time alone shows itself by its colon, or by the T in front of it. */
	if (is_digit(*p) && !(end - p > 2 && p[2] == ':'))
	{
		p = parse_date(p, end, fields);
		if (p == NULL)
			return TIME_SYNTAX;
	}
	if (p < end && (*p == 'T' || *p == 't'))
	{
		p = parse_time(p + 1, end, fields);
		if (p == NULL)
			return TIME_SYNTAX;
	}
	else if (!fields->has_date || (end - p > 1 && *p == ' ' && is_digit(*skip_blanks(p, end))))
	{
		p = parse_time(skip_blanks(p, end), end, fields);
		if (p == NULL)
			return TIME_SYNTAX;
	}

	if (p < end && fields->has_time)
	{
		const char *zone = skip_blanks(p, end);

		if (*zone == 'Z' || *zone == 'z' || *zone == '+' || *zone == '-')
		{
			p = parse_zone(zone, end, fields, &verdict);
			if (p == NULL)
				return TIME_SYNTAX;
		}
	}
	if (fields->has_date && end - p == 3 && *p == ' ' && pg_strncasecmp(p + 1, "BC", 2) == 0)
	{
		bc = true;
		p = end;
	}
	if (p < end)
		return TIME_SYNTAX;
	return verdict != TIME_OK ? verdict : check_fields(fields, bc);
}

/*
 * Days since 2000-01-01 in the proleptic Gregorian calendar. Years begin in March, so that the
 * leap day is their last. Fits an int for years up to JULIAN_MAXYEAR.
 */
static int32
days_from_date(int32 year, int32 month, int32 day)
{
	int32 y = month <= 2 ? year - 1 : year;
	int32 era = (y >= 0 ? y : y - 399) / 400;
	int32 year_of_era = y - era * 400;
	int32 day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int32 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 730425; /* 730425: 0000-03-01 to 2000-01-01 */
}

/* Ties go away from zero, where zero is 2000-01-01: as timestamp(n) does. */
static int64
round_to_typmod(int64 time, int32 typmod)
{
	static const int64 scale[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
	int64 unit;

	if (typmod < 0 || typmod >= 6)
		return time;
	unit = scale[typmod];
	if (time >= 0)
		return (time + unit / 2) / unit * unit;
	return -((-time + unit / 2) / unit * unit);
}

/* Local time of the fields, without a zone; false: past any timestamp, and near overflow. */
static bool
local_time(const TimeFields *fields, int64 *result)
{
	int64 days = days_from_date(fields->year, fields->month, fields->day);
	int64 seconds = (fields->hour * INT64CONST(60) + fields->minute) * 60 + fields->second;

	/* A zone may bring it back into range by a day at most. */
	if (days > END_TIMESTAMP / USECS_PER_DAY + 2 || days < MIN_TIMESTAMP / USECS_PER_DAY - 2)
		return false;
	*result = (days * SECS_PER_DAY + seconds) * USECS_PER_SEC + fields->microsecond;
	return true;
}

TimeVerdict
time_to_timestamp(const TimeFields *fields, int32 typmod, Timestamp *result)
{
	if (fields->infinity != 0)
	{
		*result = fields->infinity > 0 ? DT_NOEND : DT_NOBEGIN;
		return TIME_OK;
	}
	if (!fields->has_date)
		return TIME_SYNTAX;
	if (!local_time(fields, result) || !IS_VALID_TIMESTAMP(*result))
		return TIME_FIELD;
	*result = round_to_typmod(*result, typmod);
	return TIME_OK;
}

TimeVerdict
time_to_timestamptz(const TimeFields *fields, int32 typmod, TimestampTz *result)
{
	int64 zone = fields->zone;

	if (fields->infinity != 0)
		return time_to_timestamp(fields, typmod, result);
	if (!fields->has_date)
		return TIME_SYNTAX;
	if (!local_time(fields, result))
		return TIME_FIELD;
	if (!fields->has_zone)
	{
		struct pg_tm tm = {0};

		tm.tm_year = fields->year;
		tm.tm_mon = fields->month;
		tm.tm_mday = fields->day;
		tm.tm_hour = fields->hour;
		tm.tm_min = fields->minute;
		tm.tm_sec = fields->second;
		zone = -(int64) DetermineTimeZoneOffset(&tm, session_timezone);
	}
	*result -= zone * USECS_PER_SEC;
	if (!IS_VALID_TIMESTAMP(*result))
		return TIME_FIELD;
	*result = round_to_typmod(*result, typmod);
	return TIME_OK;
}

TimeVerdict
time_to_date(const TimeFields *fields, DateADT *result)
{
	if (fields->infinity != 0)
	{
		*result = fields->infinity > 0 ? DATEVAL_NOEND : DATEVAL_NOBEGIN;
		return TIME_OK;
	}
	if (!fields->has_date)
		return TIME_SYNTAX;
	if (fields->year < JULIAN_MINYEAR)
		return TIME_FIELD;
	*result = days_from_date(fields->year, fields->month, fields->day);
	return IS_VALID_DATE(*result) ? TIME_OK : TIME_FIELD;
}

TimeVerdict
time_to_time(const TimeFields *fields, int32 typmod, TimeADT *result)
{
	if (fields->infinity != 0 || !fields->has_time)
		return TIME_SYNTAX;
	*result =
		((fields->hour * INT64CONST(60) + fields->minute) * 60 + fields->second) * USECS_PER_SEC +
		fields->microsecond;
	*result = round_to_typmod(*result, typmod);
	return TIME_OK;
}

bool
time_from_unix(int64 microseconds, int32 typmod, Timestamp *result)
{
	if (microseconds < PG_INT64_MIN - UNIX_EPOCH)
		return false;
	*result = microseconds + UNIX_EPOCH;
	if (!IS_VALID_TIMESTAMP(*result))
		return false;
	*result = round_to_typmod(*result, typmod);
	return true;
}
