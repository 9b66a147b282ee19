"""Ways to write responses for exercise 9.4, right and wrong."""

from typing import Any

import torch
from torch import Tensor

from rlcourse.support.generation import Generation


class Writer:
    """Generation as the exercise asks. A mistake overrides the one thing in which it differs."""

    def __init__(
        self, model: Any, prompts: Tensor, new: int, temperature: float, eos_id: int
    ) -> None:
        self.model, self.prompts, self.new = model, prompts, new
        self.temperature, self.eos_id = temperature, eos_id
        self.cache: Any = None

    def refuse(self) -> None:
        if self.temperature <= 0 or self.new < 1:
            raise ValueError("bad setting")

    def begin(self) -> bool:
        mode = bool(self.model.training)
        self.model.eval()
        self.cache = self.model.new_cache(len(self.prompts), self.prompts.shape[1] + self.new)
        return mode

    def finish(self, mode: bool) -> None:
        self.model.train(mode)

    def first(self) -> Tensor:
        return self.read(self.prompts)

    def read(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.model(tokens, cache=self.cache)
        return logits[:, -1]

    def later(self, written: list[Tensor]) -> Tensor:
        return self.read(written[-1][:, None])

    def draw(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:
        chances = (logits / self.temperature).softmax(-1)
        return torch.multinomial(chances, 1, generator=generator)[:, 0]

    def score(self, logits: Tensor, token: Tensor) -> Tensor:
        return (logits / self.temperature).log_softmax(-1).gather(1, token[:, None])[:, 0]

    def ended(self, going: Tensor, token: Tensor) -> Tensor:
        return going & (token != self.eos_id)

    def fill(self, token: Tensor, going: Tensor) -> Tensor:
        return torch.where(going, token, self.eos_id)

    def counted(self, going: Tensor, token: Tensor) -> Tensor:
        return going

    def alive(self) -> Tensor:
        return torch.ones(len(self.prompts), dtype=torch.bool)

    def steps(self) -> int:
        return self.new

    def run(self, generator: torch.Generator) -> Generation:
        with torch.no_grad():
            return self.write(generator)

    def write(self, generator: torch.Generator) -> Generation:
        self.refuse()
        mode = self.begin()
        logits, going = self.first(), self.alive()
        tokens: list[Tensor] = []
        scores: list[Tensor] = []
        counts: list[Tensor] = []
        for step in range(self.steps()):
            drawn = self.draw(logits, generator)
            token = self.fill(drawn, going)
            counted = self.counted(going, token)
            tokens.append(token)
            scores.append(torch.where(counted, self.score(logits, token), 0.0))
            counts.append(counted)
            going = self.ended(going, token)
            if step + 1 < self.steps():
                logits = self.later(tokens)
        self.finish(mode)
        return self.pack(tokens, scores, counts)

    def pack(self, tokens: list[Tensor], scores: list[Tensor], counts: list[Tensor]) -> Generation:
        log_probs = torch.stack(scores, dim=1)
        whole = torch.cat([self.prompts, torch.stack(tokens, dim=1)], dim=1)
        return Generation(whole, log_probs, torch.stack(counts, dim=1).to(log_probs.dtype))


def writes(kind: type[Writer]) -> Any:
    def generate(
        model: Any,
        prompts: Tensor,
        max_new_tokens: int,
        temperature: float,
        eos_id: int,
        generator: torch.Generator,
    ) -> Generation:
        return kind(model, prompts, max_new_tokens, temperature, eos_id).run(generator)

    return generate


class OtherTemperature(Writer):
    def score(self, logits: Tensor, token: Tensor) -> Tensor:
        return logits.log_softmax(-1).gather(1, token[:, None])[:, 0]


class NoTemperature(OtherTemperature):
    def draw(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]


class Multiplies(Writer):
    def draw(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:
        chances = (logits * self.temperature).softmax(-1)
        return torch.multinomial(chances, 1, generator=generator)[:, 0]

    def score(self, logits: Tensor, token: Tensor) -> Tensor:
        return (logits * self.temperature).log_softmax(-1).gather(1, token[:, None])[:, 0]


class GoesOn(Writer):
    def ended(self, going: Tensor, token: Tensor) -> Tensor:
        return going


class EndLeftOut(Writer):
    def counted(self, going: Tensor, token: Tensor) -> Tensor:
        return going & (token != self.eos_id)


class FirstLost(Writer):
    """Draws a token, keeps reading, and writes down from the second on."""

    def first(self) -> Tensor:
        logits = super().first()
        return self.read(logits.argmax(-1)[:, None])

    def begin(self) -> bool:
        self.new += 1
        mode = super().begin()
        self.new -= 1
        return mode


class Dropout(Writer):
    def begin(self) -> bool:
        mode = bool(self.model.training)
        self.cache = self.model.new_cache(len(self.prompts), self.prompts.shape[1] + self.new)
        return mode


class StaysInEvaluation(Writer):
    def finish(self, mode: bool) -> None:
        pass


class AlwaysTrains(Writer):
    def finish(self, mode: bool) -> None:
        self.model.train()


class NoCache(Writer):
    """Reads only the last token, and remembers nothing."""

    def later(self, written: list[Tensor]) -> Tensor:
        logits: Tensor = self.model(written[-1][:, None])
        return logits[:, -1]


class ReadsAgain(Writer):
    """Reads everything again at each step: right, and slow."""

    def later(self, written: list[Tensor]) -> Tensor:
        logits: Tensor = self.model(torch.cat([self.prompts, torch.stack(written, 1)], 1))
        return logits[:, -1]


class PromptEnds(Writer):
    def alive(self) -> Tensor:
        return (self.prompts != self.eos_id).all(dim=1)


class Greedy(Writer):
    def draw(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:
        return logits.argmax(-1)


class Global(Writer):
    def draw(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:
        return super().draw(logits, None)


class ScoresOnPadding(Writer):
    def run(self, generator: torch.Generator) -> Generation:
        found = super().run(generator)
        return Generation(
            found.tokens, torch.where(found.mask > 0, found.log_probs, -1.0), found.mask
        )


class KeepsTheGraph(Writer):
    def run(self, generator: torch.Generator) -> Generation:
        return self.write(generator)


class Accepts(Writer):
    def refuse(self) -> None:
        self.temperature, self.new = abs(self.temperature) or 1.0, max(self.new, 1)


class Stops(Writer):
    """Stops when all rows are over, and returns what there is."""

    def pack(self, tokens: list[Tensor], scores: list[Tensor], counts: list[Tensor]) -> Generation:
        length = max(1, sum(bool(column.any()) for column in counts))
        return super().pack(tokens[:length], scores[:length], counts[:length])


class Gumbel(Writer):
    """Another right way to draw: the largest of logit plus Gumbel noise."""

    def draw(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:
        uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64)
        noise = -(-uniform.clamp(min=1e-300).log()).log()
        return (logits.double() / self.temperature + noise).argmax(-1)


class StopsEarly(Writer):
    """Another right way: nothing is read any more when all rows are over."""

    def write(self, generator: torch.Generator) -> Generation:
        self.refuse()
        mode = self.begin()
        batch, width = self.prompts.shape
        logits, going = self.first(), self.alive()
        tokens = torch.full((batch, width + self.new), self.eos_id)
        tokens[:, :width] = self.prompts
        log_probs, mask = logits.new_zeros(batch, self.new), logits.new_zeros(batch, self.new)
        for step in range(self.new):
            token = self.draw(logits, generator)
            tokens[going, width + step] = token[going]
            log_probs[going, step] = self.score(logits, token)[going]
            mask[going, step] = 1.0
            going = self.ended(going, token)
            if not bool(going.any()) or step + 1 == self.new:
                break
            logits = self.read(tokens[:, width + step : width + step + 1])
        self.finish(mode)
        return Generation(tokens, log_probs, mask)
