"""pythae's pipeline, with a handwritten encoder and decoder."""

import tempfile

import torch
from pythae.models import AE, VAE, AEConfig, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig

from benchmarks.speed.rivals._case import EPOCHS, LR, Trained, scaled
from benchmarks.speed.rivals._network import make_decoder, make_encoder


def prepare(case):
    """Prepare the training pipeline of a model."""
    is_variational = case.kind == "variational"

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.layers = make_encoder(case)

        def forward(self, x):
            code = self.layers(x)
            if not is_variational:
                return ModelOutput(embedding=code)
            mean, log_var = code.chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=log_var)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = make_decoder(case)

        def forward(self, z):
            return ModelOutput(reconstruction=self.layers(z))

    sizes = {"input_dim": (case.X.shape[1],), "latent_dim": case.code}

    def fit():
        if is_variational:
            config = VAEConfig(**sizes, reconstruction_loss="mse")
            model = VAE(config, encoder=Encoder(), decoder=Decoder())
        else:
            model = AE(AEConfig(**sizes), encoder=Encoder(), decoder=Decoder())
        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=case.batch_size,
                num_epochs=EPOCHS,
                optimizer_cls="Adam",
                learning_rate=LR,
                no_cuda=True,
            )
            TrainingPipeline(model=model, training_config=config)(scaled(case.X))
        model.eval()

        @torch.no_grad()
        def reconstruct(X):
            code = model.encoder(torch.from_numpy(X)).embedding
            return model.decoder(code).reconstruction.numpy()

        return Trained(reconstruct)

    return fit
