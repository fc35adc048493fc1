#include <linux/mm.h>

unsigned long zone_free(const struct zone *zone)
{
	return zone->free;
}
