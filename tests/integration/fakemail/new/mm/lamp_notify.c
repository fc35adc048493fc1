/*
 * Tell processes when it gets dark.
 *
 * Copyright (C) Ada <ada@example.org>
 */

#include <linux/module.h>
#include <linux/lamp.h>

static DECLARE_WAIT_QUEUE_HEAD(dark_wait);

int lamp_notify(struct lamp *lamp, int pressure)
{
	unsigned long flags;
	int err = 0, i;

	spin_lock_irqsave(&dark_wait.lock, flags);
	if (pressure != lamp->state) {
		long val = pressure ? 1 : -1;

		lamp->state = pressure;
		err = val < 0 && lamp->watt > LAMP_MAX_WATT ? -EINVAL : 0;
	} else if (!pressure)
		goto out;

	for (i = 0; i < 10; i++)
		printk("%d lamps are %s\n", lamp->watt, i ? "on" : "off");
out:
	spin_unlock_irqrestore(&dark_wait.lock, flags);
	return err;
}
EXPORT_SYMBOL(lamp_notify);
