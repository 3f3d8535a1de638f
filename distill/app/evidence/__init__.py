"""The folder of evidence about a run: documentation form, data summary, events, lineage, promotions, overrides."""

from distill.app.evidence.folder import EvidenceCheck, verify_evidence, write_evidence

__all__ = ["EvidenceCheck", "verify_evidence", "write_evidence"]
