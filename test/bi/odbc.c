/*-------------------------------------------------------------------------
 * odbc.c
 *	  What Excel, LibreOffice and whatever else uses psqlODBC sees of a schema: odbc CONNECTION
 *SCHEMA FACT.
 *
 * Prints tables, columns and keys as lines, then reads the fact table through a cursor.
 *-------------------------------------------------------------------------
 */
#include <sql.h>
#include <sqlext.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TABLES 200
#define TEXT(s)    ((SQLCHAR *) (s))

typedef struct Text
{
	char data[2048];
} Text;

static SQLHENV environment;
static SQLHDBC connection;

/* Says what the driver has to say, and ends. */
static void
check(SQLRETURN result, SQLSMALLINT kind, SQLHANDLE handle, const char *what)
{
	SQLCHAR state[6] = "", message[1024] = "";
	SQLINTEGER native;
	SQLSMALLINT length;

	if (SQL_SUCCEEDED(result))
		return;
	SQLGetDiagRec(kind, handle, 1, state, &native, message, sizeof(message), &length);
	fprintf(stderr, "%s: %s %s\n", what, state, message);
	exit(1);
}

static SQLHSTMT
statement(void)
{
	SQLHSTMT handle;

	check(SQLAllocHandle(SQL_HANDLE_STMT, connection, &handle), SQL_HANDLE_DBC, connection,
		  "statement");
	return handle;
}

static int
fetch(SQLHSTMT handle)
{
	SQLRETURN result = SQLFetch(handle);

	if (result == SQL_NO_DATA)
		return 0;
	check(result, SQL_HANDLE_STMT, handle, "fetch");
	return 1;
}

/*
 * A column of the row as text; NULL is empty. The newest results are kept, as many as a line has
 * fields.
 */
static const char *
field(SQLHSTMT handle, SQLUSMALLINT number)
{
	static Text kept[8];
	static int next;
	Text *text = &kept[next++ % 8];
	SQLLEN length;

	check(SQLGetData(handle, number, SQL_C_CHAR, text->data, sizeof(text->data), &length),
		  SQL_HANDLE_STMT, handle, "column");
	return length == SQL_NULL_DATA ? "" : text->data;
}

static int
list_tables(const char *schema, Text *names)
{
	SQLHSTMT handle = statement();
	int n = 0;

	check(SQLTables(handle, NULL, 0, TEXT(schema), SQL_NTS, TEXT("%"), SQL_NTS,
					TEXT("TABLE,VIEW,MATVIEW,FOREIGN TABLE"), SQL_NTS),
		  SQL_HANDLE_STMT, handle, "SQLTables");
	while (n < MAX_TABLES && fetch(handle))
	{
		snprintf(names[n].data, sizeof(names[n].data), "%s", field(handle, 3));
		printf("table|%s|%s\n", names[n].data, field(handle, 5));
		n++;
	}
	SQLFreeHandle(SQL_HANDLE_STMT, handle);
	return n;
}

static void
list_columns(const char *schema, const char *table)
{
	SQLHSTMT handle = statement();

	check(SQLColumns(handle, NULL, 0, TEXT(schema), SQL_NTS, TEXT(table), SQL_NTS, TEXT("%"),
					 SQL_NTS),
		  SQL_HANDLE_STMT, handle, "SQLColumns");
	while (fetch(handle))
	{
		const char *column = field(handle, 4);
		int type = atoi(field(handle, 5));

		if (type == SQL_NUMERIC)
		{
			int size = atoi(field(handle, 7));

			printf("numeric|%s|%s|%d|%s\n", table, column, size, field(handle, 9));
		}
		printf("column|%s|%s|%s|%s\n", table, column, atoi(field(handle, 11)) ? "YES" : "NO",
			   field(handle, 12));
	}
	SQLFreeHandle(SQL_HANDLE_STMT, handle);
}

static void
list_keys(const char *schema, const char *table)
{
	SQLHSTMT handle = statement();

	check(SQLPrimaryKeys(handle, NULL, 0, TEXT(schema), SQL_NTS, TEXT(table), SQL_NTS),
		  SQL_HANDLE_STMT, handle, "SQLPrimaryKeys");
	while (fetch(handle))
	{
		const char *column = field(handle, 4);

		printf("pk|%s|%s|%s\n", table, field(handle, 5), column);
	}
	SQLFreeHandle(SQL_HANDLE_STMT, handle);

	handle = statement();
	check(SQLForeignKeys(handle, NULL, 0, NULL, 0, NULL, 0, NULL, 0, TEXT(schema), SQL_NTS,
						 TEXT(table), SQL_NTS),
		  SQL_HANDLE_STMT, handle, "SQLForeignKeys");
	while (fetch(handle))
	{
		const char *primary_table = field(handle, 3);
		const char *primary_column = field(handle, 4);
		const char *column = field(handle, 8);

		printf("fk|%s|%s|%s|%s|%s\n", table, field(handle, 12), column, primary_table,
			   primary_column);
	}
	SQLFreeHandle(SQL_HANDLE_STMT, handle);
}

/* Reads all of it, and looks meanwhile whether the server holds a cursor. */
static void
read_fact(const char *schema, const char *fact)
{
	SQLHSTMT handle = statement(), other = statement();
	char query[512];
	long rows = 0;
	const char *cursors = "0";

	snprintf(query, sizeof(query), "SELECT * FROM %s.%s", schema, fact);
	check(SQLExecDirect(handle, TEXT(query), SQL_NTS), SQL_HANDLE_STMT, handle, "query");
	while (fetch(handle))
	{
		if (rows++ > 0)
			continue;
		check(SQLExecDirect(other,
							TEXT("SELECT count(*) FROM pg_cursors WHERE name LIKE 'SQL_CUR%'"),
							SQL_NTS),
			  SQL_HANDLE_STMT, other, "pg_cursors");
		fetch(other);
		/* The statement itself is read through a cursor, too. */
		cursors = strcmp(field(other, 1), "2") == 0 ? "1" : "0";
		SQLFreeHandle(SQL_HANDLE_STMT, other);
	}
	printf("read|%ld|cursors|%s\n", rows, cursors);
	SQLFreeHandle(SQL_HANDLE_STMT, handle);
}

int
main(int argc, char **argv)
{
	static Text tables[MAX_TABLES];
	int n;

	if (argc != 4)
		return 2;
	SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &environment);
	SQLSetEnvAttr(environment, SQL_ATTR_ODBC_VERSION, (SQLPOINTER) SQL_OV_ODBC3, 0);
	SQLAllocHandle(SQL_HANDLE_DBC, environment, &connection);
	check(SQLDriverConnect(connection, NULL, TEXT(argv[1]), SQL_NTS, NULL, 0, NULL,
						   SQL_DRIVER_NOPROMPT),
		  SQL_HANDLE_DBC, connection, "connect");
	n = list_tables(argv[2], tables);
	for (int i = 0; i < n; i++)
	{
		list_columns(argv[2], tables[i].data);
		list_keys(argv[2], tables[i].data);
	}
	read_fact(argv[2], argv[3]);
	SQLDisconnect(connection);
	return 0;
}
