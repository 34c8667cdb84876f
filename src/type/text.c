#include "type/text.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/* Bytes of a refused text that a message shows. */
#define SHOWN_BYTES 200

char
text_cut(char **text, const char *separators, char **piece)
{
	char *at = *text + strcspn(*text, separators);
	char separator = *at;
	char *last = at;

	*piece = *text + strspn(*text, " ");
	while (last > *piece && last[-1] == ' ')
		last--;
	*last = '\0';
	if (separator != '\0')
		at++;
	*text = at;
	return separator;
}

void
text_append_time(StringInfo out, int64 time)
{
	char text[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t fsec;

	if (TIMESTAMP_NOT_FINITE(time))
		EncodeSpecialTimestamp(time, text);
	else if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) == 0)
	{
		/* Known, or the zone would be left out. */
		tm.tm_isdst = 0;
		EncodeDateTime(&tm, fsec, true, 0, NULL, USE_ISO_DATES, text);
	}
	else
		elog(ERROR, "time of a stored value is out of range");
	appendStringInfoString(out, text);
}

int64
text_read_time(char *text)
{
	return DatumGetTimestampTz(DirectFunctionCall3(
		timestamptz_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

char *
text_shown(const char *text)
{
	int length = (int) strlen(text);

	if (length <= SHOWN_BYTES)
		return pstrdup(text);
	return psprintf("%.*s...", pg_mbcliplen(text, length, SHOWN_BYTES), text);
}
