/*
 * INSERT, UPDATE and DELETE of a continuous view are refused.
 */
#ifndef TELEMETRY_VIEW_READ_ONLY_H
#define TELEMETRY_VIEW_READ_ONLY_H

extern void read_only_init(void);

#endif
