#include <linux/mm.h>

static int reclaim_mapped;

static unsigned long shrink_active_list(struct zone *zone)
{
	unsigned long moved = 0;

	if (zone->free < zone->pages_high)
		reclaim_mapped = 1;
	while (zone->free < zone->pages_high) {
		zone->free++;
		moved++;
	}
	return moved;
}

unsigned long shrink_zone(struct zone *zone)
{
	unsigned long moved = shrink_active_list(zone);

	if (moved == 0)
		reclaim_mapped = 0;
	return moved;
}
