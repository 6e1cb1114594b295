/* The program orch-supervisor: nothing but os/supervisor.h. */
#include "config.h"

#include "os/supervisor.h"

int main(void)
{
	return supervisor_main();
}
