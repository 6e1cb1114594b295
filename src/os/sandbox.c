#include "config.h"

#include "os/sandbox.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/landlock.h"
#include "util/alloc.h"

enum { STATUS_MAX = 65536, LOG_END = 4096 };

/* Before /run, so that a service's directory there can be hidden; in the order in which they are mounted */
const char *const sandbox_private[] = {"/tmp", "/var/tmp", "/run/user", "/run/screen", NULL};

/* Read-only does not keep anybody from talking to a socket. These belong to services that would start a program outside
 * for whoever asks */
static const char *const services[] = {
	"/run/dbus/system_bus_socket",
	"/run/systemd/private",
	"/run/systemd/io.systemd.Manager",
	"/run/docker.sock",
	"/run/podman/podman.sock",
	"/run/containerd/containerd.sock",
	"/run/crio/crio.sock",
	"/run/snapd.socket",
	"/run/libvirt/libvirt-sock",
	"/var/lib/incus/unix.socket",
	"/var/lib/lxd/unix.socket",
	"/var/snap/lxd/common/lxd/unix.socket",
	NULL,
};

void sandbox_look(struct sandbox_means *out)
{
	out->bwrap = fs_find_program("bwrap");
	out->landlock = landlock_version();
}

void sandbox_means_release(struct sandbox_means *means)
{
	free(means->bwrap);
	*means = (struct sandbox_means){0};
}

const char *sandbox_refusal(const struct sandbox_means *means, bool offline)
{
	if (means->bwrap)
		return NULL;
	if (offline)
		return "keeping it off the network needs bubblewrap (bwrap), which is not installed; 'orch doctor' says "
		       "how to get it";
	if (means->landlock < LANDLOCK_ENOUGH)
		return "bubblewrap (bwrap) is not installed, and the kernel's Landlock is none or too old to do without; "
		       "'orch doctor' says how to get it";
	return NULL;
}

static void add(struct strvec *out, const char *option, const char *first, const char *second)
{
	strvec_push(out, option);
	if (first)
		strvec_push(out, first);
	if (second)
		strvec_push(out, second);
}

static bool is_inside_any(const struct strvec *dirs, const char *path)
{
	for (size_t i = 0; i < dirs->count; i++) {
		size_t len = strlen(dirs->items[i]);

		if (strncmp(path, dirs->items[i], len) == 0 && path[len] == '/')
			return true;
	}
	return false;
}

void sandbox_words(struct strvec *out, const struct sandbox_spec *spec)
{
	struct stat st;

	/* a descriptor that the command does not get: the only way to tell its status 1 from bubblewrap's */
	add(out, "/bin/sh", "-c", "exec \"$@\" 3>\"$0\"");
	add(out, spec->status, spec->bwrap, NULL);
	add(out, "--json-status-fd", "3", NULL);
	/* without all three of these, root inside is root outside */
	add(out, "--unshare-user", "--disable-userns", NULL);
	add(out, "--cap-drop", "ALL", NULL);
	add(out, "--unshare-pid", "--unshare-ipc", "--unshare-uts");
	strvec_push(out, "--unshare-cgroup-try");
	if (spec->offline)
		strvec_push(out, "--unshare-net");
	add(out, "--die-with-parent", "--new-session", NULL);
	add(out, "--ro-bind", "/", "/");
	add(out, "--dev", "/dev", NULL);
	add(out, "--proc", "/proc", NULL);
	/* where root, even without capabilities, could set what the whole kernel does */
	add(out, "--remount-ro", "/proc", NULL);
	for (size_t i = 0; services[i]; i++) {
		if (lstat(services[i], &st) == 0 && S_ISSOCK(st.st_mode))
			add(out, "--ro-bind", "/dev/null", services[i]);
	}
	for (size_t i = 0; sandbox_private[i]; i++) {
		if (lstat(sandbox_private[i], &st) == 0 && S_ISDIR(st.st_mode))
			add(out, "--tmpfs", sandbox_private[i], NULL);
	}
	for (size_t i = 0; i < spec->visible.count; i++)
		add(out, "--ro-bind", spec->visible.items[i], spec->visible.items[i]);
	for (size_t i = 0; i < spec->writable.count; i++)
		add(out, "--bind", spec->writable.items[i], spec->writable.items[i]);
	for (size_t i = 0; i < spec->read_only.count; i++)
		add(out, "--ro-bind", spec->read_only.items[i], spec->read_only.items[i]);
	/* what was hidden by that */
	for (size_t i = 0; i < spec->writable.count; i++) {
		if (is_inside_any(&spec->read_only, spec->writable.items[i]))
			add(out, "--bind", spec->writable.items[i], spec->writable.items[i]);
	}
	add(out, "--setenv", "TMPDIR", "/tmp");
	/* what agents go by that refuse to work for root without asking for permission */
	add(out, "--setenv", "IS_SANDBOX", "1");
	add(out, "--chdir", spec->dir, NULL);
	strvec_push(out, "--");
}

bool sandbox_was_made(const char *status)
{
	char *text;
	size_t len;
	bool made;

	if (fs_read(status, STATUS_MAX, &text, &len, NULL) != 0)
		return false;
	made = strstr(text, "\"exit-code\"") != NULL;
	free(text);
	return made;
}

char *sandbox_complaint(int log)
{
	char text[LOG_END + 1];
	const char *line, *end, *found = NULL, *at;
	struct stat st;
	ssize_t got;

	if (fstat(log, &st) != 0)
		return NULL;
	got = pread(log, text, LOG_END, st.st_size > LOG_END ? st.st_size - LOG_END : 0);
	if (got <= 0)
		return NULL;
	text[got] = '\0';
	for (line = text; *line; line = *end ? end + 1 : end) {
		end = line + strcspn(line, "\n");
		at = strncmp(line, "bwrap: ", 7) == 0 ? line : NULL;
		if (at)
			found = at;
	}
	return found ? xstrndup(found, strcspn(found, "\n")) : NULL;
}
