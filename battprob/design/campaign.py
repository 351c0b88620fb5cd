"""`Campaign`: ask which tests to run, tell what came of them, in any process, at any time."""

import dataclasses
import functools
import os
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._files.serialise import as_json, from_json
from battprob._padding import bucket
from battprob._typing import ArrayLike, Float, PRNGKey
from battprob.dataset import Dataset
from battprob.design import _store
from battprob.design._advice import Advice, advise
from battprob.design._history import History, Trial
from battprob.design._observations import EarlyBias, Scale, rows_of
from battprob.design._recommend import choose, highest
from battprob.design.acquisition import AbstractAcquisition
from battprob.design.defaults import default_model
from battprob.design.dimensions import Point
from battprob.design.improvement import LogNEI
from battprob.design.space import Space
from battprob.design.suggestions import Suggestions, explained
from battprob.models.base import AbstractModel, AbstractPosterior
from battprob.predictive import Predictive
from battprob.transforms import AbstractTransform, Identity


@dataclasses.dataclass(frozen=True, eq=False)
class Campaign:
    """A search for the best point of a space, one batch of tests after another.

    Immutable: `tell` and its like answer with a new campaign. What `ask` answers depends
    on the campaign alone, so that a campaign read from its file asks, bit for bit, what
    it would have asked before. Begin with `Campaign.start`.

    Attributes:
        space: what may be tested.
        acquisition: what a test is worth.
        model: what is learned from results.
        seed: the numbers of the key.
        maximise: whether large results are good.
        target, unit: what is measured, and in which unit.
        transform: scale on which results vary evenly.
        initial: tests spread evenly over the space before a model is asked.
        history: all that has happened.
    """

    space: Space
    acquisition: AbstractAcquisition
    model: AbstractModel
    seed: tuple[int, ...]
    maximise: bool
    target: str
    unit: str
    transform: AbstractTransform
    initial: int
    history: History = dataclasses.field(default_factory=History)

    @classmethod
    def start(
        cls,
        space: Space,
        *,
        key: PRNGKey,
        model: AbstractModel | None = None,
        acquisition: AbstractAcquisition | None = None,
        maximise: bool = True,
        target: str = "target",
        unit: str = "",
        transform: AbstractTransform | None = None,
        initial: int | None = None,
    ) -> "Campaign":
        """A campaign without results.

        Args:
            space: what may be tested.
            key: PRNG key; the same key and results lead to the same questions.
            model: what is learned from results; default a Gaussian process.
            acquisition: what a test is worth; default `LogNEI()`.
            maximise: False where small results are good.
            target, unit: name and unit of the result.
            transform: scale on which results vary evenly; `transforms.Log()` for lives.
            initial: tests spread over the space before a model is asked; default twice as
                many as the model has columns, and two.

        Example:
            >>> import jax
            >>> from battprob.design import Real
            >>> space = Space(Real("rate", 1.0, 8.0, unit="1/h"))
            >>> campaign = Campaign.start(space, key=jax.random.key(0))
            >>> suggestions = campaign.ask(3)
            >>> campaign = campaign.tell(suggestions, [900.0, 1000.0, 700.0])
            >>> len(campaign.results)
            3
        """
        initial = 2 * space.num_columns + 2 if initial is None else initial
        if initial < 2:
            raise DataError("a model needs two results: initial must be 2 or more")
        return cls(
            space=space,
            acquisition=LogNEI() if acquisition is None else acquisition,
            model=default_model() if model is None else model,
            seed=tuple(np.asarray(jax.random.key_data(key)).tolist()),
            maximise=maximise,
            target=target,
            unit=unit,
            transform=Identity() if transform is None else transform,
            initial=initial,
        )

    def ask(self, num: int = 1) -> Suggestions:
        """The next tests, why each was chosen, and what is expected of it.

        Until `initial` results, or predictions of them, are told they are spread evenly
        over the space. Tests that are running (see `running`) are taken into account;
        asked twice without a word about them, the campaign answers the same twice.

        Raises:
            DataError: all candidates have been tested.
            FitError: the model cannot be fitted.
        """
        first = self.history.next_id
        ids = tuple(range(first, first + num))
        if len(self._numbers(lambda trial: trial.says_something)) < self.initial:
            key = self._key(_INITIAL)
            rows = self.space.sample(first - 1 + num, key=key)[first - 1 :]
            if len(rows) < num:  # fewer candidates than that
                rows = self.space.sample(num, key=jax.random.fold_in(key, first))
            return Suggestions(
                ids, tuple(self.space.decode(rows)), self.target, self.unit
            )
        posterior = self.posterior
        rows, values = choose(
            self.acquisition,
            posterior,
            self.space,
            num=num,
            key=self._key(_CHOICE),
            pending=self._encoded(
                lambda trial: trial.y is None and trial.early is None
            ),
            excluded=None if self.space.repeats else self._encoded(lambda _: True),
        )
        return self._suggestions(ids, rows, values)

    def running(self, suggestions: Suggestions) -> "Campaign":
        """The campaign with these tests under way: the next ones take them into account."""
        return self._with(self.history.ask(suggestions.records()))

    def tell(
        self,
        tests: "Suggestions | Sequence[int] | Sequence[Point]",
        y: ArrayLike,
        *,
        noise_variance: ArrayLike | None = None,
        unit: str | None = None,
    ) -> "Campaign":
        """The campaign with the results of these tests.

        Args:
            tests: what `ask` answered, or numbers of tests that are running, or points
                that were tested without being asked for.
            y: result of each.
            noise_variance: known variance of each result's own error, on the scale of
                `transform`; for models whose noise is `Known() + ...`.
            unit: of `y`; refused where it is not the campaign's.

        Raises:
            DataError: a point is not the one asked for or outside of the space, a result
                is not finite, told before, or in another unit; the campaign is as it was.
        """
        self._require_unit(unit)
        history, ids = self._known(tests)
        variances = [None] * len(ids)
        if noise_variance is not None:
            self._require_known_noise()
            variances = _each(noise_variance, ids, "noise_variance")
        results = [
            {"id": i, "y": value, "noise_variance": variance}
            for i, value, variance in zip(
                ids, _each(y, ids, "y"), variances, strict=True
            )
        ]
        for result in results:
            self._require_domain(result)
        return self._with(history.tell(results))

    def tell_early(
        self,
        tests: "Suggestions | Sequence[int] | Sequence[Point]",
        predicted: Predictive,
    ) -> "Campaign":
        """The campaign with results predicted while the tests are running, or instead.

        Each enters as an observation with the variance of its prediction, until `tell`
        brings the result itself. By how much such predictions are off on the whole is
        learned from tests that have both (`early_bias`).

        Args:
            tests: as in `tell`.
            predicted: of each, for example a life model's answer.

        Raises:
            DataError: as `tell`; or the model's noise has no place for known variances, or
                `predicted` is on another scale than the campaign.
        """
        self._require_known_noise()
        history, ids = self._known(tests)
        location, variance = self._scale.moments(predicted)
        return self._with(
            history.tell_early(
                [
                    {"id": i, "early": mean, "early_variance": own}
                    for i, mean, own in zip(
                        ids,
                        _each(location, ids, "predicted"),
                        _each(variance, ids, "predicted"),
                        strict=True,
                    )
                ]
            )
        )

    def fail(
        self, tests: "Suggestions | Sequence[int] | Sequence[Point]", reason: str
    ) -> "Campaign":
        """The campaign with these tests failed: no result is expected of them any more.

        Nothing is learned from them, but the same points are not asked for again: to the
        acquisition they stay tests whose result is still to come.
        """
        history, ids = self._known(tests)
        return self._with(history.fail(ids, reason))

    def recommend(self, acquisition: AbstractAcquisition | None = None) -> Suggestions:
        """The point that the model takes for the best, which is seldom the luckiest one.

        Args:
            acquisition: what makes a point good; default its posterior mean. A prudent
                one, of the mean less a multiple of the noise, gives a reliable point.

        Raises:
            DataError: fewer than two results have been told.
        """
        row, value = highest(
            acquisition, self.posterior, self.space, key=self._key(_RECOMMENDED)
        )
        return self._suggestions((0,), row[None], [value])

    def advice(self, epsilon: float, *, num_draws: int = 512) -> Advice:
        """Whether to go on: the chance that the recommended point is good enough.

        Args:
            epsilon: what is close enough to the best, in units of the target (of its
                transform, where there is one).
            num_draws: joint draws of the function.
        """
        row = self.space.encode(self.recommend().points)
        return advise(
            self.posterior,
            self.space,
            row,
            epsilon=epsilon,
            num=num_draws,
            key=self._key(_ADVICE),
        )

    @functools.cached_property
    def posterior(self) -> AbstractPosterior:
        """What is believed of the target, made large where it is to be small.

        Raises:
            DataError: fewer than two results have been told.
        """
        return self.model.fit(self._dataset(_LEAST_ROWS), key=self._key(_FIT))

    @property
    def dataset(self) -> Dataset:
        """Results, and early predictions of those that are not in, as a model takes them."""
        return self._dataset(None)

    @property
    def early_bias(self) -> EarlyBias:
        """By how much early predictions exceed results, on the scale of `transform`."""
        return EarlyBias.of(list(self.history.trials.values()), self._scale)

    @property
    def results(self) -> list[Trial]:
        """Tests whose result has been told."""
        return self._numbers(lambda trial: trial.y is not None)

    @property
    def best_result(self) -> Trial:
        """The test with the best result, by luck or merit: see `recommend`."""
        sign = self._scale.sign
        return max(self.results, key=lambda trial: sign * (trial.y or 0.0))

    @property
    def open_tests(self) -> list[Trial]:
        """Tests asked for whose result has not been told, nor their failure."""
        return self._numbers(lambda trial: trial.is_open)

    def predict(self, points: Sequence[Point]) -> Predictive:
        """What is expected of tests at `points`, in the target's own unit and sign."""
        return self._scale.back(self.posterior.predict(self.space.encode(points)))

    def save(self, path: str | os.PathLike) -> None:
        """Write the campaign to one readable file; `Campaign.load` reads it back.

        The file is replaced as a whole: a process killed at any moment leaves the old one
        or the new one.

        Raises:
            DataError: the file is another campaign, or somebody else has told it something
                since it was read: load it again, and tell it again.
        """
        _store.write(path, self._spec(), self.history.events)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Campaign":
        """Read what `save` wrote.

        Raises:
            DataError: the file is no campaign, or of a version this one cannot read.
        """
        document = _store.read(path)
        spec = {name: from_json(tree) for name, tree in document["spec"].items()}
        return cls(**spec, history=History(tuple(document["events"])))

    def _dataset(self, least):
        """Rows for a model, padded to their bucket where that is to be `least` or more."""
        trials = list(self.history.trials.values())
        used, z, variance = rows_of(trials, self._scale, self.early_bias)
        num = len(used)
        if num < 2:
            raise DataError(f"a model needs two results; the campaign has {num}")
        length = num if least is None else bucket(max(num, least))
        # Padded in NumPy before JAX sees it, to which every new length is a new program.
        place = np.minimum(np.arange(length), num - 1)
        data = Dataset(
            self.space.encode([trial.point for trial in used])[place],
            z[place],
            noise_variance=variance[place] if self._uses_known() else None,
            feature_names=self.space.columns,
            target_name=self.target,
            target_unit=self.unit,
        )
        mask = jnp.asarray(np.arange(length) < num)
        return eqx.tree_at(lambda own: own.mask, data, mask)

    def _spec(self):
        names = [f.name for f in dataclasses.fields(self) if f.name != "history"]
        return {name: as_json(getattr(self, name)) for name in names}

    def _with(self, history):
        return dataclasses.replace(self, history=history)

    def _key(self, purpose):
        """A key for one purpose, which changes with every event."""
        key = jax.random.wrap_key_data(jnp.asarray(self.seed, jnp.uint32))
        count = 0 if purpose == _INITIAL else len(self.history.events)
        return jax.random.fold_in(jax.random.fold_in(key, purpose), count)

    def _numbers(self, wanted):
        return [trial for trial in self.history.trials.values() if wanted(trial)]

    def _encoded(self, wanted) -> Float[np.ndarray, "p d"]:
        points = [trial.point for trial in self._numbers(wanted)]
        return self.space.encode(points)

    def _suggestions(self, ids, rows, values):
        points = tuple(self.space.decode(rows))
        plain = Suggestions(ids, points, self.target, self.unit)
        return explained(plain, self.predict(points), values)

    def _known(self, tests):
        """The history in which these tests have been asked, and their numbers."""
        if isinstance(tests, Suggestions):
            return self._agreed(tests), list(tests.ids)
        if all(isinstance(test, int | np.integer) for test in tests):
            return self.history, [int(test) for test in tests]
        rows = self.space.encode(tests)
        first = self.history.next_id
        points = enumerate(self.space.decode(rows), first)
        records = [{"id": i, "point": point} for i, point in points]
        return self.history.ask(records), [record["id"] for record in records]

    def _agreed(self, suggestions):
        """The history with suggestions that it knows, at their points, or now adds."""
        rows = self.space.encode(suggestions.points)
        new = []
        for i, row, record in zip(
            suggestions.ids, rows, suggestions.records(), strict=True
        ):
            known = self.history.trials.get(i)
            if known is None:
                new.append(record)
            elif not np.array_equal(self.space.encode([known.point])[0], row):
                raise DataError(
                    f"test {i} was asked at {dict(known.point)}, not at "
                    f"{dict(record['point'])}: tell a test of your own by its point"
                )
        return self.history.ask(new) if new else self.history

    @functools.cached_property
    def _scale(self):
        return Scale(self.transform, self.maximise)

    def _uses_known(self):
        noise = getattr(self.model, "noise", None)
        return noise is not None and noise.uses_known()

    def _require_known_noise(self):
        if not self._uses_known():
            raise DataError(
                "the campaign's model has no place for known variances: start it with "
                "noise=noise.Known() + noise.Constant(), or leave them out"
            )

    def _require_unit(self, unit):
        if unit is not None and unit != self.unit:
            raise DataError(
                f"{self.target} of this campaign is in {self.unit or 'no unit'}; got "
                f"{unit or 'no unit'}: convert it first"
            )

    def _require_domain(self, result):
        z = float(self.transform.inverse(jnp.asarray(result["y"])))
        if np.isfinite(result["y"]) and not np.isfinite(z):
            raise DataError(
                f"y of test {result['id']} is {result['y']:g}, outside the domain of "
                f"{type(self.transform).__name__}"
            )


def _each(values, ids, name):
    """One number for each test."""
    array = np.asarray(values, float)
    array = array[None] if array.ndim == 0 else array
    if array.shape != (len(ids),):
        raise DataError(
            f"{name} must have one number for each of {len(ids)} tests; got {array.shape}"
        )
    return array.tolist()


_INITIAL, _FIT, _CHOICE, _RECOMMENDED, _ADVICE = range(5)
_LEAST_ROWS = 128  # compiling for fewer would cost more than all its asks save
