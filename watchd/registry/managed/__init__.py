"""Server-side apply and managedFields: who owns which field, and what an applied object changes. Knows no log and no HTTP.

The model is sigs.k8s.io/structured-merge-diff v6 and k8s.io/apimachinery's util/managedfields, which decide every question
of behaviour (FEATURES rows 85 to 91).
"""
