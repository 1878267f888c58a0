"""What lamcat reads of many files: one process copies as many tables as it can, and another goes on behind one it refuses."""

import subprocess
from pathlib import Path

import pyarrow as pa

SECONDS = 120


class Lamcat:
    def __init__(self, program, folder, output):
        self.program, self.folder, self.output = Path(program).resolve(), Path(folder), Path(output)

    def read(self, names):
        """For each name a table, or the text of the error; tables are read as they are asked for."""
        for path in self.output.iterdir():
            path.unlink()
        answers, rest = {}, list(enumerate(names))
        while rest:
            said = self.copy(rest)
            done = [(number, name) for number, name in rest if self.path(number).exists()]
            answers |= {name: self.path(number) for number, name in done}
            if len(done) == len(rest):
                break
            number, name = next((number, name) for number, name in rest if not self.path(number).exists())
            answers[name] = said
            rest = [(n, name) for n, name in rest if n > number]
        return answers

    def path(self, number):
        return self.output / f"{number}.arrow"

    def copy(self, numbered):
        """Copies tables until one is refused, and gives what was said of that one."""
        quoted = lambda text: str(text).replace("'", "''")
        script = self.output / "script.sql"
        script.write_text("".join(
            f"COPY (SELECT * FROM '{quoted(name)}') TO '{quoted(self.path(number))}' STORED AS ARROW;\n"
            for number, name in numbered))
        command = [self.program, "sql", "-q", "--format", "csv", "-f", script]
        try:
            run = subprocess.run(command, cwd=self.folder, capture_output=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return "HANGS: no answer within the time allowed"
        said = run.stderr.decode(errors="replace")
        if run.returncode not in (0, 1) or "panicked" in said:
            return f"DIES with {run.returncode}: {said}"
        return "\n".join(line for line in said.splitlines() if line.startswith(("error", "hint"))) or said


def table(answer):
    """The table that lamcat copied."""
    with pa.memory_map(str(answer)) as source:
        return pa.ipc.open_file(source).read_all()
