/* The program orch-supervisor: nothing but os/supervisor.h, and os/relay.h. */
#include "config.h"

#include "os/supervisor.h"

#include <string.h>

#include "os/relay.h"

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], RELAY_WORD) == 0)
		return relay_main(argv[2]);
	return supervisor_main();
}
