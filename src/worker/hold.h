/*
 * DROP DATABASE, CREATE DATABASE ... TEMPLATE and their like need a database in which nobody is
 * connected: our workers step out for their sake, and come back if the database is still there.
 */
#ifndef TELEMETRY_WORKER_HOLD_H
#define TELEMETRY_WORKER_HOLD_H

extern void hold_init(void);

#endif
