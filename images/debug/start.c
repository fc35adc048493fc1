// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The first program of the debug image: it runs in a child of whichever process the guest was
 * stopped in, makes of that a plain process of root's, and becomes an SSH server on a serial port.
 *
 * The ports came after the kernel had looked for some, so it has to be told where they are.
 */
#include <fcntl.h>
#include <linux/random.h>
#include <linux/serial.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#define HOME "/debug"
#define SSH "/dev/ttyS1"	/* the host's end is the client's */
#define MASTER "/dev/ttyS2"	/* joined with the next one, these are a pty: the kernel has none */
#define SLAVE "/dev/ttyS3"
#define SEED_BYTES 32

static const struct {
	const char *path;
	int minor, port, irq;
} lines[] = {
	{ SSH, 65, 0x2f8, 3 },
	{ MASTER, 66, 0x3e8, 5 },
	{ SLAVE, 67, 0x2e8, 7 },
};

/* The host reads the exit code: the line where it went wrong is as good as any. */
#define NEED(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail(#condition);                                                          \
	} while (0)

static void fail(const char *what)
{
	FILE *console = fopen("/dev/console", "w");

	if (console)
		fprintf(console, "the debug image cannot start: %s\n", what);
	_exit(1);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd >= 0) {
		(void)!write(fd, text, strlen(text));
		close(fd);
	}
}

/* Neither the clients' priority nor their limits, signals or control groups. */
static void become_plain(void)
{
	const struct sched_param none = { .sched_priority = 0 };
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	const struct rlimit files = { 256, 256 };
	sigset_t all;

	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &none);
	setpriority(PRIO_PROCESS, 0, 0);
	setrlimit(RLIMIT_AS, &unlimited);
	setrlimit(RLIMIT_NPROC, &unlimited);
	setrlimit(RLIMIT_NOFILE, &files);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	umask(022);
	/* Whoever looks at a guest without memory must not be its next victim. */
	write_file("/proc/self/oom_score_adj", "-1000");
	write_file("/proc/self/oom_adj", "-17");
}

static void make_nodes(void)
{
	mkdir("/tmp", 01777);
	mkdir("/etc", 0755);
	mkdir("/root", 0700);
	mknod("/dev/tty", S_IFCHR | 0666, makedev(5, 0));
	mknod("/dev/zero", S_IFCHR | 0666, makedev(1, 5));
	mknod("/dev/random", S_IFCHR | 0444, makedev(1, 8));
	mknod("/dev/urandom", S_IFCHR | 0444, makedev(1, 9));
	symlink("/proc/self/fd", "/dev/fd");
	write_file("/etc/passwd", "root::0:0:root:/root:" HOME "/sh\n");
	write_file("/etc/group", "root:x:0:\n");
	write_file("/etc/shells", HOME "/sh\n");
	symlink(HOME "/busybox", HOME "/sh");
}

/* A line without modem control, which would wait for a carrier. */
static void open_line(unsigned int number)
{
	struct serial_struct serial;
	struct termios raw;
	int fd;

	mknod(lines[number].path, S_IFCHR | 0600, makedev(4, (unsigned int)lines[number].minor));
	fd = open(lines[number].path, O_RDWR | O_NOCTTY | O_NONBLOCK);
	NEED(fd >= 0);
	NEED(!ioctl(fd, TIOCGSERIAL, &serial));
	serial.type = PORT_16550A;
	serial.port = (unsigned int)lines[number].port;
	serial.irq = lines[number].irq;
	serial.baud_base = 115200;
	serial.xmit_fifo_size = 16;
	NEED(!ioctl(fd, TIOCSSERIAL, &serial));
	/* Else Linux 6.1 fills a FIFO that it has not switched on, and bytes are lost. */
	NEED(!ioctl(fd, TIOCSERCONFIG));
	NEED(!ioctl(fd, TIOCGSERIAL, &serial));
	NEED(serial.type == PORT_16550A);
	/* The port is only started by the next open. */
	close(fd);
	fd = open(lines[number].path, O_RDWR | O_NOCTTY | O_NONBLOCK);
	NEED(fd >= 0);
	NEED(!tcgetattr(fd, &raw));
	cfmakeraw(&raw);
	raw.c_cflag = CS8 | CREAD | CLOCAL;
	cfsetispeed(&raw, B115200);
	cfsetospeed(&raw, B115200);
	NEED(!tcsetattr(fd, TCSANOW, &raw));
	NEED(fcntl(fd, F_SETFL, O_RDWR) == 0);
	if (fd != (int)number) {
		dup2(fd, (int)number);
		close(fd);
	}
}

/* The host's random numbers: a guest without a network or a disk has hardly any. */
static void seed(void)
{
	struct {
		struct rand_pool_info info;
		unsigned char bytes[SEED_BYTES];
	} pool = { .info = { .entropy_count = SEED_BYTES * 8, .buf_size = SEED_BYTES } };
	int from = open(HOME "/seed", O_RDONLY), to = open("/dev/random", O_RDWR);

	NEED(from >= 0 && to >= 0);
	NEED(read(from, pool.bytes, SEED_BYTES) == SEED_BYTES);
	memcpy(pool.info.buf, pool.bytes, SEED_BYTES);
	(void)!ioctl(to, RNDADDENTROPY, &pool);
	close(from);
	close(to);
	unlink(HOME "/seed");
}

int main(void)
{
	char *const server[] = { "dropbear", "-i", "-B", "-r", HOME "/hostkey",
				 "-W", "2048", "-K", "0", "-I", "0", NULL };
	char *const environment[] = { "PATH=" HOME, "HOME=/root", NULL };

	become_plain();
	make_nodes();
	seed();
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	for (unsigned int number = 0; number < 3; number++)
		open_line(number);
	/* 0 and 1 are the connection; what the server says goes to the console. */
	NEED(dup2(0, 1) == 1);
	close(2);
	NEED(open("/dev/console", O_WRONLY | O_NOCTTY) == 2);
	chdir("/root");
	execve(HOME "/dropbear", server, environment);
	fail("dropbear");
}
