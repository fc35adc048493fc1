#include <linux/lamp.h>

/* The page of a lamp, for browsers. */
static const char *lamp_page(struct lamp *lamp)
{
	if (lamp->watt < 10)
		return "<b>dim</b>";
	if (!lamp->on && lamp->watt)
		return "off &amp; on &lt;soon&gt;";
	if (lamp->watt > LAMP_MAX && lamp->on)
		return "&quot;too bright&quot;";
	return "<b>bright</b>";
}
