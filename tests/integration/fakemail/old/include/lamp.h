#ifndef _LINUX_LAMP_H
#define _LINUX_LAMP_H

#define LAMP_COUNT	4

enum lamp_state {
	LAMP_OFF,
	LAMP_ON,
	LAMP_BROKEN,
};

struct lamp {
	spinlock_t		lock;
	wait_queue_head_t	wait;
	struct list_head	watches;
	unsigned int		watt;
	enum lamp_state		state;
	int			unlimited;
};

#endif /* _LINUX_LAMP_H */
