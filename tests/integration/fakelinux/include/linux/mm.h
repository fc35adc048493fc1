#ifndef _LINUX_MM_H
#define _LINUX_MM_H

struct zone {
	unsigned long free;
	unsigned long pages_high;
};

#endif
