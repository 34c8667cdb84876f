import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;

/**
 * What Tableau, DBeaver and whatever else uses pgjdbc sees of a schema: java Metadata.java URL SCHEMA FACT.
 * Prints tables, columns, keys and remarks as lines, then reads the fact table through a cursor.
 */
public class Metadata {
    // The kinds that hold data for a reader; indexes, sequences and types are no tables to them.
    private static final String[] KINDS = {"TABLE", "PARTITIONED TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"};
    private static final int FETCH_SIZE = 500;

    public static void main(String[] arguments) throws Exception {
        String schema = arguments[1];

        try (Connection connection = DriverManager.getConnection(arguments[0])) {
            DatabaseMetaData metadata = connection.getMetaData();
            for (String table : tables(metadata, schema)) {
                columns(metadata, schema, table);
                primaryKey(metadata, schema, table);
                foreignKeys(metadata, schema, table);
            }
            read(connection, schema + "." + arguments[2]);
        }
    }

    private static void line(Object... fields) {
        StringBuilder text = new StringBuilder();
        for (Object field : fields) {
            text.append(text.length() > 0 ? "|" : "").append(field == null ? "" : field);
        }
        System.out.println(text);
    }

    private static List<String> tables(DatabaseMetaData metadata, String schema) throws Exception {
        List<String> names = new ArrayList<>();
        try (ResultSet row = metadata.getTables(null, schema, "%", KINDS)) {
            while (row.next()) {
                names.add(row.getString("TABLE_NAME"));
                line("table", row.getString("TABLE_NAME"), row.getString("REMARKS"));
            }
        }
        return names;
    }

    private static void columns(DatabaseMetaData metadata, String schema, String table) throws Exception {
        try (ResultSet row = metadata.getColumns(null, schema, table, "%")) {
            while (row.next()) {
                String column = row.getString("COLUMN_NAME");
                line("column", table, column, row.getString("IS_NULLABLE"), row.getString("REMARKS"));
                if (row.getInt("DATA_TYPE") == Types.OTHER || row.getInt("DATA_TYPE") == Types.ARRAY) {
                    line("odd", table, column);
                }
                if (row.getInt("DATA_TYPE") == Types.NUMERIC) {
                    line("numeric", table, column, row.getInt("COLUMN_SIZE"), row.getInt("DECIMAL_DIGITS"));
                }
            }
        }
    }

    private static void primaryKey(DatabaseMetaData metadata, String schema, String table) throws Exception {
        try (ResultSet row = metadata.getPrimaryKeys(null, schema, table)) {
            while (row.next()) {
                line("pk", table, row.getInt("KEY_SEQ"), row.getString("COLUMN_NAME"));
            }
        }
    }

    private static void foreignKeys(DatabaseMetaData metadata, String schema, String table) throws Exception {
        try (ResultSet row = metadata.getImportedKeys(null, schema, table)) {
            while (row.next()) {
                line("fk", table, row.getString("FK_NAME"), row.getString("FKCOLUMN_NAME"),
                        row.getString("PKTABLE_NAME"), row.getString("PKCOLUMN_NAME"));
            }
        }
    }

    /** Without autocommit and with a fetch size, pgjdbc keeps a portal open instead of the whole result in memory. */
    private static void read(Connection connection, String fact) throws Exception {
        long rows = 0;
        long portals = 0;

        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement(); Statement other = connection.createStatement()) {
            statement.setFetchSize(FETCH_SIZE);
            try (ResultSet row = statement.executeQuery("SELECT * FROM (SELECT * FROM " + fact + ") \"_\"")) {
                while (row.next()) {
                    if (rows++ == 0) {
                        try (ResultSet open = other.executeQuery("SELECT count(*) FROM pg_cursors WHERE name <> ''")) {
                            open.next();
                            portals = open.getLong(1);
                        }
                    }
                }
            }
        }
        line("read", rows, "cursors", portals);
    }
}
