/* The program orch-supervisor: nothing but os/supervisor.h, and os/relay.h. */
#include "config.h"

#include "os/supervisor.h"

#include <string.h>

#include "os/relay.h"

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], RELAY_WORD) == 0)
		return relay_main(argv[2]);
	if (argc == 4 && strcmp(argv[1], SUPERVISOR_REMOTE_WORD) == 0)
		return supervisor_remote_main(argv[2], argv[3]);
	return supervisor_main();
}
