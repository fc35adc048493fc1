#include <linux/lamp.h>

/* The page of a lamp, for browsers. */
static const char *lamp_page(struct lamp *lamp)
{
	if (lamp->watt < 10)
		return "<b>dim</b>";
	if (!lamp->on && lamp->watt)
		return "broken";
	return "<b>bright</b>";
}
