/*
 * Digits of hexadecimal texts, which are written in lower case and read in no other.
 */
#ifndef TELEMETRY_SKETCH_HEX_H
#define TELEMETRY_SKETCH_HEX_H

/* -1: it is none. */
static inline int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

#endif
