"""Choose the rates that an experiment reports."""


def best_rates(runs: list[dict], merit: str, digits: int) -> dict[str, float]:
    """For each plug-in the rate of the highest mean merit, rounded to so many digits.

    Of equals, the middle rate, or else the higher.
    """
    rates = sorted({run["rate"] for run in runs})
    middle = rates[len(rates) // 2]

    def mean(plug: str, rate: float) -> float:
        found = [run[merit] for run in runs if (run["plug"], run["rate"]) == (plug, rate)]
        return round(sum(found) / len(found), digits)

    return {
        plug: max(rates, key=lambda rate: (mean(plug, rate), rate == middle, rate))
        for plug in dict.fromkeys(run["plug"] for run in runs)
    }
