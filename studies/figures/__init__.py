"""The figures of Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv 2305.05465, one module each."""
