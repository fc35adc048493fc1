/*
 * Runs the arguments as commands, one after another, and prints the result of each on a separate line.
 * The revision's file precedes this one in the same unit; EVENT is its function, FOPS its file
 * operations.
 */
static struct file files[1000];

static void call(char *command)
{
	static struct inode inode;
	static poll_table table;
	char word[20] = "", *rest;
	long a = 0, b = 0;

	sscanf(command, "%19s %ld %ld", word, &a, &b);
	rest = strchr(command, ' ');
	if (!strcmp(word, "tick")) {
		while (a--) {
			jiffies++;
			if (timer && timer->armed && timer->expires == jiffies) {
				timer->armed = false;
				timer->function(0);
			}
		}
	} else if (!strcmp(word, "cpu")) {
		cpu = (int)a;
	} else if (!strcmp(word, "free")) {
		zones[a].free = b;
	} else if (!strcmp(word, "swapout")) {
		swapped_out += (unsigned int)a;
	} else if (!strcmp(word, "nomem")) {
		no_memory = a;
	} else if (!strcmp(word, "signal")) {
		signalled = a;
	} else if (!strcmp(word, "freeze")) {
		frozen = (int)a;
	} else if (!strcmp(word, "on-wake")) {
		on_wake = rest + 1;
	} else if (!strcmp(word, "on-nap")) {
		on_nap = rest + 1;
	} else if (!strcmp(word, "event")) {
		EVENT();
	} else if (!strcmp(word, "armed")) {
		printf("%d ", timer && timer->armed);
	} else if (!strcmp(word, "open")) {
		printf("%d ", FOPS.open(&inode, &files[a]));
	} else if (!strcmp(word, "release")) {
		printf("%d ", FOPS.release(&inode, &files[a]));
	} else if (!strcmp(word, "forget")) {
		files[a].private_data = NULL;
	} else if (!strcmp(word, "poll")) {
		queued = false;
		state = TASK_INTERRUPTIBLE;
		printf("%u ", FOPS.poll(&files[a], &table));
		if (!queued || state != TASK_INTERRUPTIBLE)
			printf("(not queued, or awake) ");
	} else if (!strcmp(word, "read")) {
		printf("%d ", FOPS.read ? (int)FOPS.read(&files[a], NULL, (size_t)b, NULL) : -EINVAL);
	} else {
		printf("unknown: %s ", command);
	}
}

static void happen(char **commands)
{
	char *all = *commands, *one;

	*commands = NULL;
	while ((one = strsep(&all, ";")))
		call(one);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		call(argv[i]);
		puts("");
	}
}
