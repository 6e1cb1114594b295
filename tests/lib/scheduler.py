#!/usr/bin/env python3
"""A scheduler as small as can be, for tests of runners: what it is told to do wrong, it does.

scheduler.py DIR serve            runs until `quit`; DIR/ready is there once it listens
scheduler.py DIR submit SCRIPT OUTPUT   prints an id; with `hold` in force the job waits for `release`
scheduler.py DIR poll             ID STATE [REASON] of all jobs
scheduler.py DIR cancel [ID...]   ids from standard input too; SIGTERM to the job, or it is taken out of the queue
scheduler.py DIR hold | release   jobs that are submitted wait | those that wait start
scheduler.py DIR forget ID | all  it is not in any answer any more, and is never started; what runs, runs on
scheduler.py DIR say ID WORD [REASON]   that is its state from now on
scheduler.py DIR kill ID          SIGKILL to all of it
scheduler.py DIR again ID         starts the same job a second time
scheduler.py DIR lose             the next submit is carried out, but fails
scheduler.py DIR refuse N         the next N submits fail with status 75
scheduler.py DIR down | up        polls fail | do not
scheduler.py DIR ids              all ids that were ever given, in order
"""
import os
import signal
import socket
import sys


class Job:
    def __init__(self, script, output):
        self.script, self.output = script, output
        self.process = None
        self.word = None

    def start(self):
        import subprocess  # who only asks does not need it
        with open(self.output, 'ab') as out:
            self.process = subprocess.Popen(['/bin/sh', self.script], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            start_new_session=True, cwd='/')

    def state(self):
        if self.word:
            return self.word
        if self.process is None:
            return 'queued Priority'
        status = self.process.poll()
        if status is None:
            return 'running'
        return 'done' if status == 0 else 'failed'

    def signal(self, number):
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)


def below(pid):
    """The process ids of everything that descends from pid, itself first."""
    found = [pid]
    for one in found:
        try:
            with open(f'/proc/{one}/task/{one}/children') as children:
                found += [int(child) for child in children.read().split()]
        except OSError:
            pass
    return found


class Scheduler:
    def __init__(self):
        self.jobs = {}
        self.given = []
        self.held = self.is_down = self.lose = False
        self.refuse = 0

    def obey(self, words):
        """(exit status, text)"""
        verb, rest = words[0], words[1:]
        if verb == 'submit':
            if self.refuse > 0:
                self.refuse -= 1
                return 75, 'busy, come again later\n'
            number = str(100 + len(self.given))
            self.given.append(number)
            self.jobs[number] = Job(*rest)
            if not self.held:
                self.jobs[number].start()
            if self.lose:
                self.lose = False
                return 75, 'the answer was lost\n'
            return 0, number + '\n'
        if verb == 'poll':
            if self.is_down:
                return 1, 'cannot be reached\n'
            return 0, ''.join(f'{number} {job.state()}\n' for number, job in self.jobs.items())
        if verb == 'cancel':
            for number in rest:
                job = self.jobs.get(number)
                if job is not None and job.process is None:
                    job.word = 'cancelled'
                elif job is not None:
                    job.signal(signal.SIGTERM)
            return 0, ''
        if verb == 'hold':
            self.held = True
        elif verb == 'release':
            self.held = False
            for job in self.jobs.values():
                if job.process is None and job.word is None:
                    job.start()
        elif verb == 'forget':
            for number in list(self.jobs) if rest == ['all'] else rest:
                self.jobs.pop(number, None)
        elif verb == 'say':
            self.jobs[rest[0]].word = ' '.join(rest[1:])
        elif verb == 'kill':
            for pid in below(self.jobs[rest[0]].process.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        elif verb == 'again':
            job = self.jobs[rest[0]]
            Job(job.script, job.output).start()
        elif verb == 'lose':
            self.lose = True
        elif verb == 'refuse':
            self.refuse = int(rest[0])
        elif verb in ('down', 'up'):
            self.is_down = verb == 'down'
        elif verb == 'ids':
            return 0, ''.join(number + '\n' for number in self.given)
        else:
            return 2, 'what?\n'
        return 0, ''


def read_all(connection, stop=None):
    text = b''
    while stop is None or not text.endswith(stop):
        try:
            piece = connection.recv(65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    return text


def serve(directory):
    scheduler = Scheduler()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.chdir(directory)
    listening.bind('sock')
    listening.listen(64)
    with open('ready', 'w'):
        pass
    while True:
        asked, _ = listening.accept()
        with asked:
            words = read_all(asked, b'\n').decode().rstrip('\n').split('\x1f')
            if words == ['quit']:
                for job in scheduler.jobs.values():
                    if job.process is not None and job.process.poll() is None:
                        job.signal(signal.SIGKILL)
                return
            if words == ['']:
                continue
            status, said = scheduler.obey(words)
            try:
                asked.sendall(f'{status}\n{said}'.encode())
            except OSError:
                pass  # whoever asked was killed


def main():
    directory, words = sys.argv[1], sys.argv[2:]
    if words == ['serve']:
        serve(directory)
        return 0
    if words[0] == 'cancel':
        words += sys.stdin.read().split()
    os.chdir(directory)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.connect('sock')
        asking.sendall(('\x1f'.join(words) + '\n').encode())
        text = read_all(asking)
    if words == ['quit']:
        return 0
    status, said = text.decode().split('\n', 1)
    (sys.stdout if status == '0' else sys.stderr).write(said)
    return int(status)


sys.exit(main())
