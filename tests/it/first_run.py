"""A first run as a person has it: at terminals of 80 columns and 24 lines, typing what is asked for.

Arguments: the program, the folder to work in, the address of an upstream, a free port. The upstream knows FIRST and SECOND.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

FIRST, SECOND, THIRD = "typed-maas-key-0001", "typed-maas-key-0002", "typed-maas-key-0003"
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
program, folder, upstream, port = sys.argv[1:]
url = f"http://127.0.0.1:{port}"


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, *arguments, **variables):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

        def own_the_terminal():
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TERM": "xterm-256color", **variables}
        self.name = " ".join(arguments)
        self.process = subprocess.Popen(
            [program, *arguments], stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment,
            start_new_session=True, preexec_fn=own_the_terminal,
        )
        os.close(slave)
        self.seen, self.read_to = "", 0

    def _more(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def wait_for(self, words):
        """Reads until the words have come since the last time."""
        while words not in self.seen[self.read_to :]:
            self._more(0.2)
            if self.process.poll() is not None and not self._more(0):
                self.fail(f"ended without saying {words!r}")
        self.read_to = self.seen.index(words, self.read_to) + len(words)

    def answer(self, question, typed):
        self.wait_for(question)
        # Who types begins after the program has begun to listen.
        time.sleep(0.05)
        os.write(self.master, typed.encode() + b"\r")

    def end(self, code=0):
        while self.process.poll() is None:
            self._more(0.1)
        while self._more(0):
            pass
        if self.process.returncode != code:
            self.fail(f"ended with {self.process.returncode}")
        return self.seen

    def fail(self, why):
        sys.exit(f"{self.name}: {why}\n{self.seen}")


def check(holds, what):
    if not holds:
        sys.exit(what)


def plain(text):
    return COLOURS.sub("", text)


# The promise is two minutes; this takes seconds.
signal.alarm(120)
began = time.monotonic()

init = Terminal("init")
init.answer("MaaS API key (not shown): ", "change-me-to-your-maas-api-key")
init.wait_for("placeholder")
init.answer("MaaS API key (not shown): ", FIRST)
init.answer("One more MaaS key", SECOND)
init.answer("One more MaaS key", "")
for question in ["Admin key", "Salt key", "Password of the database", "Password of Grafana"]:
    init.answer(question, "")
init.answer("How long Prometheus", "30 days")
init.wait_for("will not do")
init.answer("How long Prometheus", "30d")
init.answer("Address of MaaS", upstream)
said = init.end()
dotenv = open(os.path.join(folder, ".env")).read()
values = dict(re.findall(r'^(\w+)="(.*)"$', dotenv, re.M))
check(values["HUAWEI_MAAS_API_KEY_1"] == SECOND and values["PROMETHEUS_RETENTION"] == "30d", dotenv)
for name in ["HUAWEI_MAAS_API_KEY_0", "HUAWEI_MAAS_API_KEY_1", "LITELLM_MASTER_KEY", "LITELLM_SALT_KEY", "DB_PASSWORD"]:
    check(values[name] not in said, f"{name} was shown: {said}")
check("\x1b[32m" in said and ".env is written" in said, said)
check(os.stat(os.path.join(folder, ".env")).st_mode & 0o777 == 0o600, "others can read .env")

serve = Terminal("serve", "--port", port)
serve.wait_for("listening on")
while subprocess.run([program, "health", url], capture_output=True).returncode != 0:
    time.sleep(0.1)

doctor = Terminal("doctor", "--url", url, "--spend")
said = doctor.end()
rows = [line for line in plain(said.replace("\r\x1b[2K", "\n")).splitlines() if line.strip()]
verdicts = [row.split()[0] for row in rows if re.match(r" (pass|warn|FAIL|skip)  ", row)]
check(verdicts.count("pass") >= 14 and "FAIL" not in verdicts and "warn" not in verdicts, said)
check("…" in said and "\x1b[32mpass" in said, "progress and colours: " + said)
check(max(map(len, rows)) <= 80, "too wide: " + said)
colourless = Terminal("doctor", "--url", url, NO_COLOR="1").end()
check("\x1b" not in colourless and "pass" in colourless, colourless)

top = Terminal("top", url, "--interval", "0.2")
top.wait_for("glm-5.1")
os.write(top.master, b"q")
check("\x1b[?1049l" in top.end(), "the screen is given back")

add = Terminal("init", "add-key")
add.answer("New MaaS key (not shown): ", THIRD)
said = add.end()
check(THIRD not in said and "3 keys" in said, said)
serve.process.send_signal(signal.SIGHUP)
serve.wait_for("configuration")
bad = Terminal("doctor", "--url", url)
said = plain(bad.end(1))
check("FAIL  upstream keys" in said and "HUAWEI_MAAS_API_KEY_2" in said and THIRD not in said, said)
remove = Terminal("init", "remove-key", "2")
check("2 keys" in remove.end(), "removed")

os.write(serve.master, b"\x03")
serve.end()
print(f"{time.monotonic() - began:.1f} s of machine time")
