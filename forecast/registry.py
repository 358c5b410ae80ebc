"""Every forecaster by name; a module is imported only when its kind is asked for."""

from data.registry import Registry
from forecast.base import AbstractForecaster

NAIVE_KINDS: tuple[str, ...] = ("naive", "drift", "seasonal_naive")
"""Forecasts anyone can make; skill is measured against the best of them."""

REFERENCE_KINDS: tuple[str, ...] = (*NAIVE_KINDS, "ridge")
"""Always run beside whatever the user asks for."""

FORECASTERS: Registry[AbstractForecaster] = Registry(
    "forecaster",
    {
        "naive": "forecast.models.naive:Naive",
        "drift": "forecast.models.naive:Drift",
        "seasonal_naive": "forecast.models.naive:SeasonalNaive",
        "bootstrap": "forecast.models.bootstrap:HistoricalBootstrap",
        "ridge": "forecast.models.ridge:Ridge",
        "ar": "forecast.models.autoregression:AutoRegression",
        "ets": "forecast.models.exponential_smoothing:ExponentialSmoothing",
        "theta": "forecast.models.theta:Theta",
        "arima": "forecast.models.arima:Arima",
        "garch": "forecast.models.garch:Garch",
        "har": "forecast.models.har:HeterogeneousAutoregression",
        "lightgbm": "forecast.models.boosting:LightGbmQuantiles",
        "xgboost": "forecast.models.boosting:XgboostQuantiles",
        "linear_regression": "forecast.models.regressors:LinearRegression",
        "mars": "forecast.models.regressors:AdaptiveSplines",
        "decision_tree": "forecast.models.regressors:DecisionTree",
        "bagging": "forecast.models.regressors:Bagging",
        "gradient_boosting": "forecast.models.regressors:GradientBoosting",
        "random_forest": "forecast.models.regressors:RandomForest",
        "mlp": "forecast.models.regressors:MultilayerPerceptron",
        "svm": "forecast.models.regressors:SupportVectors",
        "mlp_network": "forecast.models.mlp_network:MlpNetwork",
        "cnn": "forecast.models.cnn:Cnn",
        "lstm": "forecast.models.lstm:Lstm",
        "encoder_decoder": "forecast.models.encoder_decoder:EncoderDecoder",
        "cnn_lstm": "forecast.models.cnn_lstm:CnnLstm",
        "conv_lstm": "forecast.models.conv_lstm:ConvLstm",
        "autoformer": "forecast.models.autoformer:Autoformer",
        "dlinear": "forecast.models.dlinear:DLinear",
        "nlinear": "forecast.models.nlinear:NLinear",
        "patch_tst": "forecast.models.patch_tst:PatchTst",
        "i_transformer": "forecast.models.i_transformer:ITransformer",
    },
    "wayfold.forecasters",
)
