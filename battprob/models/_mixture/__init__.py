"""Parts of `battprob.models.ProtocolMixture`."""
