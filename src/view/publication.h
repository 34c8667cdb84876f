#ifndef TELEMETRY_VIEW_PUBLICATION_H
#define TELEMETRY_VIEW_PUBLICATION_H

/* After something was published, or a state table made: what is published can be changed. */
extern void publication_follow(void);

#endif
