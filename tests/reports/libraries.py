"""F16 of the public reports: dates of numpy and pandas, and what says that it is a list and isn't."""
from harness import same, serving

SOURCE = '''
import datetime
from typing import List, Optional
import numpy as np
def day(): return np.datetime64("2020-01-02")
def nanoseconds(): return np.datetime64("2020-01-02", "ns")
def microseconds(): return np.datetime64("2020-01-02T03:04:05.5", "us")
def dates(): return np.array(["2020-01-02", "NaT"], "datetime64[ns]")
def not_a_time(): return [np.datetime64("NaT"), np.datetime64("NaT", "ns")]
def long(): return np.longdouble(0.1)
def numbers(): return [np.int64(3), np.float32(0.5), np.bool_(True), np.arange(3), np.array([[1.5, 2.5]])]
class Own:
    def tolist(self): return self
def own(): return Own()
def pandas_dates():
    import pandas as pd
    return [pd.Timestamp("2020-01-02T03:04:05"), pd.NaT]
def pandas_day() -> Optional[datetime.date]:
    import pandas as pd
    return pd.NaT
def pandas_series() -> List[Optional[datetime.datetime]]:
    import pandas as pd
    return list(pd.Series(pd.to_datetime(["2020-01-02", None])))
def struct(): return np.array([(1, "2020-01-02")], dtype=[("a", "i4"), ("c", "M8[ns]")])
def zoned():
    import pandas as pd
    return pd.Series(pd.to_datetime(["2020-01-02"], utc=True))
def span() -> datetime.timedelta: return np.timedelta64(5, "s")
def frame():
    import pandas as pd
    return pd.DataFrame({"a": [1, 2]}).to_dict("records")
'''


def test_f16_dates_of_numpy_and_pandas():
    with serving(SOURCE) as server:
        same(server.value("day"), "2020-01-02")
        same(server.value("nanoseconds"), "2020-01-02T00:00:00")
        same(server.value("microseconds"), "2020-01-02T03:04:05.500000")
        same(server.value("dates"), ["2020-01-02T00:00:00", None])
        same(server.value("not_a_time"), [None, None])
        same(server.value("numbers"), [3, 0.5, True, [0, 1, 2], [[1.5, 2.5]]])
        for name in ("long", "own"):
            status, told = server.apply(name)
            same((status, told["code"]), (422, "result-not-json"), told)
            assert "cannot be said in JSON" in told["detail"], told
        same(server.value("pandas_dates"), ["2020-01-02T03:04:05", None])
        same(server.value("pandas_day"), None)
        same(server.value("pandas_series"), ["2020-01-02T00:00:00", None])
        same(server.value("struct"), [[1, "2020-01-02T00:00:00"]])
        same(server.value("zoned"), ["2020-01-02T00:00:00+00:00"])
        same(server.value("span"), "PT5S")
        same(server.value("frame"), [{"a": 1}, {"a": 2}])
