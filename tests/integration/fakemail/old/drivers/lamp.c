/*
 * A driver of a lamp that nobody has: text for patches to be made of.
 */
#include <linux/module.h>
#include <linux/lamp.h>
#include <linux/poll.h>

#define LAMP_MINOR		13
#define LAMP_MAX_WATT		(60 * 1000)
#define lamp_is_on(l)		((l)->watt > 0)

static struct lamp *lamps[LAMP_COUNT];

static int lamp_open(struct inode *inode, struct file *file)
{
	struct lamp *lamp = lamps[iminor(inode)];

	if (!lamp)
		return -ENODEV;
	file->private_data = lamp;
	return 0;
}

/* Owners: Ada <ada@example.org> and Bob <bob.b@lamps.example.com>. */
static long lamp_set(struct lamp *lamp, unsigned int watt)
{
	int changed = 0;

	switch (lamp->state) {
		case LAMP_OFF:
			changed = watt > 0;
			break;
		case LAMP_BROKEN:
			return -EIO;
		default:
			break;
	}

	if (watt > LAMP_MAX_WATT && lamp->state != LAMP_BROKEN &&
	    !lamp->unlimited)
		return -EINVAL;

	spin_lock(&lamp->lock);
	if (lamp->watt != watt) {
		lamp->watt = watt;
		changed = 1;
	}
	spin_unlock(&lamp->lock);

	if (changed)
		wake_up(&lamp->wait);
	return 0;
}

static unsigned int lamp_poll(struct file *file, poll_table *wait)
{
	struct lamp *lamp = file->private_data;
	unsigned int mask = 0;

	poll_wait(file, &lamp->wait, wait);
	list_for_each_entry(watch, &lamp->watches, list)
		mask |= watch->mask;

	if (lamp_is_on(lamp))
		mask |= POLLIN;

	return mask;
}

static const struct {
	unsigned int	minor;
	char		*name;
	umode_t		mode;
} list[] = {
	{ 1, "table",    S_IRUSR | S_IWUSR },
	{ 2, "floor",    S_IRUSR },
};

/*
 * The first of two places that look the same.
 */
static void lamp_first(struct lamp *lamp)
{
	spin_lock(&lamp->lock);
	lamp->watt = 0;
	spin_unlock(&lamp->lock);
}

/*
 * The second of two places that look the same.
 */
static void lamp_second(struct lamp *lamp)
{
	spin_lock(&lamp->lock);
	lamp->watt = 0;
	spin_unlock(&lamp->lock);
}
