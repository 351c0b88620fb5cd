"""`Campaign`: suggests tests, takes their results, and recommends the best point."""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._files.serialise import as_json, from_json
from battprob._padding import bucket
from battprob._typing import ArrayLike, Float, PRNGKey
from battprob.dataset import Dataset
from battprob.design import _parts, _store
from battprob.design._advice import Advice, advise
from battprob.design._history import History, Trial
from battprob.design._observations import EarlyBias, ModelScale, observations
from battprob.design._recommend import choose, recommend
from battprob.design._results import one_per_test, require_domain, require_unit
from battprob.design.acquisition import AbstractAcquisition
from battprob.design.defaults import default_model
from battprob.design.dimensions import Point
from battprob.design.improvement import LogNEI
from battprob.design.space import Space
from battprob.design.suggestions import Suggestions, with_prediction
from battprob.models.base import AbstractModel, AbstractPosterior
from battprob.predictive import Predictive
from battprob.transforms import AbstractTransform, Identity

Tests = Suggestions | Sequence[int] | Sequence[Point]


@dataclasses.dataclass(frozen=True, eq=False)
class Campaign:
    """A sequence of tests that searches for the best point of a space.

    A campaign is immutable: `tell` and similar methods return a new campaign. The result
    of `ask` depends on the campaign alone; a campaign that is loaded from its file
    suggests exactly the same tests. Create one with `Campaign.start`.

    Attributes:
        space: points that can be tested.
        acquisition: acquisition of a test.
        model: model of the results.
        key: PRNG key.
        maximise: whether large results are good.
        target, unit: name and unit of the result.
        transform: transform of the target.
        initial: number of initial tests, which cover the space evenly.
        history: all events so far.
    """

    space: Space
    acquisition: AbstractAcquisition
    model: AbstractModel
    key: PRNGKey
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
            space: points that can be tested.
            key: PRNG key; the same key and results give the same suggestions.
            model: model of the results; default `default_model()`.
            acquisition: acquisition of a test; default `LogNEI()`.
            maximise: False if the target is to be minimised.
            target, unit: name and unit of the result.
            transform: transform of the target to a scale on which it varies evenly, for
                example `transforms.Log()` for cycle lives; default none.
            initial: number of tests that cover the space evenly, before a model suggests
                tests; default twice the number of columns, plus two.

        Raises:
            TypeError: `space`, `key`, `model` or `acquisition` is of the wrong kind.
            DataError: `initial` is below 2.

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
        acquisition = LogNEI() if acquisition is None else acquisition
        model = default_model() if model is None else model
        _parts.require_space(space)
        _parts.require_key(key)
        _parts.require_model(model)
        _parts.require_acquisition(acquisition)
        _parts.require_matching_model(model, acquisition)
        initial = 2 * space.num_columns + 2 if initial is None else initial
        if initial < 2:
            raise DataError(
                f"initial must be 2 or more, because a model needs two results; got "
                f"{initial}"
            )
        return cls(
            space=space,
            acquisition=acquisition,
            model=model,
            key=key,
            maximise=maximise,
            target=target,
            unit=unit,
            transform=Identity() if transform is None else transform,
            initial=initial,
        )

    def ask(self, num: int = 1) -> Suggestions:
        """The next `num` tests, with the prediction of each.

        Until the campaign has `initial` results or early predictions, the tests cover
        the space evenly. Afterwards, the acquisition chooses them. Tests that are running
        (see `running`) are taken into account. The method changes nothing: called again
        without new events, it returns the same tests.

        Raises:
            DataError: all candidates have been tested.
            FitError: the model cannot be fitted.
        """
        first = self.history.next_id
        ids = tuple(range(first, first + num))
        informative = self._trials_where(lambda trial: trial.is_informative)
        if len(informative) < self.initial:
            key = self._key(_INITIAL)
            # One sequence for all initial tests, however many are asked for at a time.
            rows = self.space.sample(first - 1 + num, key=key)[first - 1 :]
            if len(rows) < num:  # the list of candidates is shorter
                rows = self.space.sample(num, key=jax.random.fold_in(key, first))
            points = tuple(self.space.decode(rows))
            return Suggestions(ids, points, self.target, self.unit)
        # Failed tests are pending for ever: the same point is not suggested again.
        pending = self._rows_where(
            lambda trial: trial.y is None and trial.early is None
        )
        rows, values = choose(
            self.acquisition,
            self.posterior,
            self.space,
            num=num,
            key=self._key(_CHOICE),
            pending=pending,
            excluded=None if self.space.repeats else self._rows_where(lambda _: True),
        )
        return self._predicted_suggestions(ids, rows, values)

    def running(self, suggestions: Suggestions) -> "Campaign":
        """The campaign with these tests recorded as running.

        Later calls of `ask` take them into account as pending tests.
        """
        return self._with(self.history.ask(suggestions.records()))

    def tell(
        self,
        tests: Tests,
        y: ArrayLike,
        *,
        noise_variance: ArrayLike | None = None,
        unit: str | None = None,
    ) -> "Campaign":
        """The campaign with the results of tests.

        Args:
            tests: suggestions of `ask`, or numbers of running tests, or points of tests
                that were not suggested.
            y: result of each test.
            noise_variance: known variance of the error of each result, on the scale of
                `transform`; for models with the noise `Known() + ...`.
            unit: unit of `y`; an error is raised if it is not that of the campaign.

        Raises:
            DataError: a point differs from the suggested one or is outside of the space;
                a result is not finite, exists already, or has another unit. The campaign
                does not change.
        """
        require_unit(unit, self.unit, self.target)
        history, ids = self._identified(tests)
        variances = [None] * len(ids)
        if noise_variance is not None:
            self._require_known_noise()
            variances = one_per_test(noise_variance, ids, "noise_variance")
        results = zip(ids, one_per_test(y, ids, "y"), variances, strict=True)
        records = [{"id": i, "y": y, "noise_variance": v} for i, y, v in results]
        for record in records:
            require_domain(record["y"], record["id"], self.transform)
        return self._with(history.tell(records))

    def tell_early(self, tests: Tests, predicted: Predictive) -> "Campaign":
        """The campaign with early predictions of results.

        Each is an observation with the variance of the prediction, until `tell` adds the
        result. The common bias of early predictions is estimated from the tests that
        have both (`early_bias`).

        Args:
            tests: as in `tell`.
            predicted: early prediction of each result, for example of a life model.

        Raises:
            DataError: as in `tell`; or the noise model of the campaign has no part for
                known variances; or `predicted` has another transform than the campaign.
        """
        self._require_known_noise()
        history, ids = self._identified(tests)
        mean, variance = (
            one_per_test(moment, ids, "predicted")
            for moment in self._scale.moments(predicted)
        )
        records = [
            {"id": i, "early": m, "early_variance": v}
            for i, m, v in zip(ids, mean, variance, strict=True)
        ]
        return self._with(history.tell_early(records))

    def fail(self, tests: Tests, reason: str) -> "Campaign":
        """The campaign with these tests recorded as failed.

        The model is not fitted to them. They remain pending for the acquisition, so that
        the same points are not suggested again.

        Args:
            tests: as in `tell`.
            reason: why there is no result.
        """
        history, ids = self._identified(tests)
        return self._with(history.fail(ids, reason))

    def recommend(self, acquisition: AbstractAcquisition | None = None) -> Suggestions:
        """The point with the best posterior mean, which need not have the best result.

        Args:
            acquisition: criterion of a good point; default the posterior mean,
                `UCB(0.0)`. `RiskAverse(UCB(0.0))` gives a point with reliable results.

        Raises:
            DataError: the campaign has fewer than two results.
        """
        row, value = recommend(
            acquisition, self.posterior, self.space, key=self._key(_RECOMMENDED)
        )
        return self._predicted_suggestions((0,), row[None], [value])

    def advice(self, epsilon: float, *, num_draws: int = 512) -> Advice:
        """Whether to stop: the probability that the recommended point is good enough.

        Args:
            epsilon: difference from the best point that is good enough, in units of the
                target (on the scale of `transform`, if there is one).
            num_draws: number of joint draws of the function.
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
        """Posterior of the model given all results, on the scale that is maximised.

        Raises:
            DataError: the campaign has fewer than two results.
        """
        return _parts.fit_for(
            self.acquisition,
            self.model,
            self._dataset(_LEAST_ROWS),
            key=self._key(_FIT),
        )

    @property
    def dataset(self) -> Dataset:
        """Results and early predictions, on the scale that is maximised."""
        return self._dataset(None)

    @property
    def early_bias(self) -> EarlyBias:
        """Common bias of early predictions relative to results, on `transform`'s scale."""
        return EarlyBias.of(list(self.history.trials.values()), self._scale)

    @property
    def results(self) -> list[Trial]:
        """Tests with a result."""
        return self._trials_where(lambda trial: trial.y is not None)

    @property
    def best_result(self) -> Trial:
        """The test with the best result; it may be a lucky one, see `recommend`."""
        sign = self._scale.sign
        return max(self.results, key=lambda trial: sign * (trial.y or 0.0))

    @property
    def open_tests(self) -> list[Trial]:
        """Tests with neither a result nor a failure."""
        return self._trials_where(lambda trial: trial.is_open)

    def predict(self, points: Sequence[Point]) -> Predictive:
        """Predictive distribution of the result of a test at each point."""
        return self._scale.to_target(self.posterior.predict(self.space.encode(points)))

    def save(self, path: str | os.PathLike) -> None:
        """Write the campaign to a readable file, which `Campaign.load` reads.

        The file is replaced atomically: a process that is killed leaves either the old
        file or the new one. Kernels, noise models, acquisitions and functions of your
        own must be decorated with `battprob.register`.

        Raises:
            DataError: the file holds another campaign, or events that another process
                added after this campaign was loaded; or a part of the campaign is not
                registered.
        """
        _store.write(path, self._spec(), self.history.events)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Campaign":
        """Read a campaign that `save` wrote.

        Raises:
            DataError: the file is not a campaign or has another format version; or it
                holds a class that this process has not imported.
        """
        document = _store.read(path)
        spec = {name: from_json(tree) for name, tree in document["spec"].items()}
        return cls(**spec, history=History(tuple(document["events"])))

    def _dataset(self, least):
        """Data set of the model; padded to a bucket of `least` rows or more, if given."""
        trials = list(self.history.trials.values())
        data = observations(trials, self._scale, self.early_bias)
        num = len(data.trials)
        if num < 2:
            raise DataError(f"a model needs two results; the campaign has {num}")
        length = num if least is None else bucket(max(num, least))
        # Padded in NumPy: JAX would compile its operations for each new length.
        index = np.minimum(np.arange(length), num - 1)
        points = [trial.point for trial in data.trials]
        known = data.known_variance[index] if self._uses_known_noise() else None
        padded = Dataset(
            self.space.encode(points)[index],
            data.z[index],
            noise_variance=known,
            feature_names=self.space.columns,
            target_name=self.target,
            target_unit=self.unit,
        )
        mask = jnp.asarray(np.arange(length) < num)
        return eqx.tree_at(lambda dataset: dataset.mask, padded, mask)

    def _spec(self):
        names = [f.name for f in dataclasses.fields(self) if f.name != "history"]
        return {name: as_json(getattr(self, name)) for name in names}

    def _with(self, history):
        return dataclasses.replace(self, history=history)

    def _key(self, purpose):
        """The key for one purpose; except for initial tests, each event changes it."""
        count = 0 if purpose == _INITIAL else len(self.history.events)
        return jax.random.fold_in(jax.random.fold_in(self.key, purpose), count)

    def _trials_where(self, condition: Callable[[Trial], bool]) -> list[Trial]:
        return [trial for trial in self.history.trials.values() if condition(trial)]

    def _rows_where(self, condition) -> Float[np.ndarray, "p d"]:
        points = [trial.point for trial in self._trials_where(condition)]
        return self.space.encode(points)

    def _predicted_suggestions(self, ids, rows, values):
        points = tuple(self.space.decode(rows))
        plain = Suggestions(ids, points, self.target, self.unit)
        return with_prediction(plain, self.predict(points), values)

    def _identified(self, tests):
        """The history that contains these tests, and their numbers."""
        if isinstance(tests, Suggestions):
            return self._with_suggestions(tests), list(tests.ids)
        if all(isinstance(test, int | np.integer) for test in tests):
            return self.history, [int(test) for test in tests]
        rows = self.space.encode(tests)
        points = enumerate(self.space.decode(rows), self.history.next_id)
        records = [{"id": i, "point": point} for i, point in points]
        return self.history.ask(records), [record["id"] for record in records]

    def _with_suggestions(self, suggestions):
        """The history with suggestions added, unless it already contains them."""
        rows = self.space.encode(suggestions.points)
        new = []
        for row, record in zip(rows, suggestions.records(), strict=True):
            known = self.history.trials.get(record["id"])
            if known is None:
                new.append(record)
            elif not np.array_equal(self.space.encode([known.point])[0], row):
                raise DataError(
                    f"test {record['id']} was suggested at {dict(known.point)}; got the "
                    f"point {record['point']}: add a test at another point by passing "
                    "that point instead of a suggestion"
                )
        return self.history.ask(new) if new else self.history

    @functools.cached_property
    def _scale(self):
        return ModelScale(self.transform, self.maximise)

    def _uses_known_noise(self):
        return self.model.uses("noise_variance")

    def _require_known_noise(self):
        if not self._uses_known_noise():
            raise DataError(
                "the model of the campaign does not use known variances: start the "
                "campaign with model=default_model(known_noise=True), or with the noise "
                "Known() + Constant()"
            )


_INITIAL, _FIT, _CHOICE, _RECOMMENDED, _ADVICE = range(5)
_LEAST_ROWS = (
    128  # fewer rows save less time in all calls than compiling for them costs
)
