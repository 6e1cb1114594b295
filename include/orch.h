/* liborch: Orchfiles as a library. The program `orch` is its first client, examples/embed its second. */
#ifndef ORCH_H
#define ORCH_H

#include "orch/error.h"
#include "orch/event.h"
#include "orch/history.h"
#include "orch/merge.h"
#include "orch/plan.h"
#include "orch/project.h"
#include "orch/report.h"
#include "orch/run.h"
#include "orch/status.h"
#include "orch/work.h"

#endif
