"""Puts together what drives login forms."""

from __future__ import annotations

from posada_runtime.service import Platform as House
from posada_runtime.vault import Vault

from posada_scraper.forms.executor import Executor
from posada_scraper.forms.secrets import Inputs, JobSecrets
from posada_scraper.worker.attempt import Tools
from posada_scraper.worker.form_attempt import FormTools


def wire_forms(house: House, vault: Vault, tools: Tools) -> FormTools:
    """What an attempt at a login form works with; its executor is to be stopped at the end."""
    return FormTools(
        bus=house.bus,
        vault=vault,
        executor=Executor(tools.settings.form_workers),
        secrets=JobSecrets(house.store, vault),
        inputs=Inputs(),
        logins=tools.logins,
        browsers=tools.browsers,
        results=tools.results,
        settings=tools.settings,
    )
