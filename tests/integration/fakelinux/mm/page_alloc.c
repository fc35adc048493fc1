#include <linux/mm.h>

void free_one_page(struct zone *zone)
{
	zone->free++;
}
