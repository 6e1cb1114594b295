"""Results of a test as TAP."""

import sys


class Tap:
    def __init__(self, planned):
        self.count = 0
        self.failed = 0
        print("1..%d" % planned, flush=True)

    def result(self, text, problems=()):
        """`problems`: what went wrong; nothing did if there are none."""
        self.count += 1
        problems = list(problems)
        if problems:
            self.failed += 1
        print("%sok %d - %s" % ("not " if problems else "", self.count, text))
        for problem in problems[:20]:
            for line in str(problem).splitlines():
                print("#   " + line)
        sys.stdout.flush()

    def skip(self, text, why):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, text, why), flush=True)

    def end(self):
        sys.exit(1 if self.failed else 0)
